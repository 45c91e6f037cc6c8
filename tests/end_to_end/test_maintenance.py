"""Maintenance by commit: it wins for everybody, leaves the rest as it was, and goes when it is no longer asked for."""

from typing import Any

import pytest

from rehearsal.replaydash_names import BAD_TAG
from tests.end_to_end.inside import Inside
from tests.end_to_end.world import ALB, SERVICE, World, eventually, instant, production

ON, OFF = ["enabled: true"], ["enabled: false"]
DEFAULT = ["strategy: default_action", f"target_group: {SERVICE}"]
PLACES = [("api.replaydash.com", "/"), ("api.replaydash.com", "/v1/replays"), ("other.example", "/"), ("x", "/.git/a")]
PAGE = "Service under maintenance. We'll be back soon!"


def test_it_wins_for_every_path_and_host_and_leaves_other_rules_and_the_default_as_they_were(
    replaydash: World,
) -> None:
    daemon = replaydash.following(production(maintenance=OFF))
    rules, routes = _rules(replaydash), _routes(replaydash)

    on = replaydash.git.commit(production(maintenance=ON))
    eventually(lambda: daemon.in_sync(on))
    shown, during = _routes(replaydash), _rules(replaydash)
    gauge = daemon.metric("trueup_maintenance_enabled{")
    off = replaydash.git.revert()
    eventually(lambda: daemon.in_sync(off))

    assert {(route["status"], route["content_type"], route["body"]) for route in shown} == {(503, "text/plain", PAGE)}
    assert gauge == 1
    assert [rule for rule in during if rule in rules] == rules, "the other rules and the default action are untouched"
    assert len(during) == len(rules) + 1
    assert _rules(replaydash) == rules
    assert _routes(replaydash) == routes
    assert daemon.metric("trueup_maintenance_enabled{") == 0
    assert replaydash.writes() == ["CreateRule", "DeleteRule"]


def test_the_revert_of_the_first_commit_that_has_maintenance_takes_it_away(replaydash: World) -> None:
    replaydash.git.commit(production(api=["task_revision: 124"]))
    before = _rules(replaydash)
    replaydash.git.commit(production(api=["task_revision: 124"], maintenance=ON))
    assert replaydash.once().returncode == 0

    replaydash.git.revert()
    done = replaydash.once()

    assert done.returncode == 0, done.stderr
    assert _rules(replaydash) == before


def test_a_changed_message_is_one_change_of_the_same_rule(replaydash: World) -> None:
    run = _following(replaydash, production(maintenance=ON))
    rule = replaydash.route()["rule_arn"]

    replaydash.git.commit(
        production(maintenance=[*ON, "status_code: 200", "content_type: text/html", 'message: "<h1>Soon</h1>"'])
    )
    run.converge()

    shown = replaydash.route()
    assert (shown["status"], shown["content_type"], shown["body"]) == (200, "text/html", "<h1>Soon</h1>")
    assert shown["rule_arn"] == rule
    assert replaydash.writes() == ["ModifyRule"]


def test_someone_who_deletes_our_rule_finds_it_entered_again(replaydash: World) -> None:
    daemon = replaydash.following(production(maintenance=ON))
    elb = replaydash.client("elbv2")

    elb.delete_rule(RuleArn=replaydash.route()["rule_arn"])
    eventually(lambda: replaydash.writes() == ["DeleteRule", "CreateRule"])

    assert {route["status"] for route in _routes(replaydash)} == {503}
    assert daemon.process.poll() is None


def test_someone_who_puts_a_rule_before_ours_is_overtaken(replaydash: World) -> None:
    run = _following(replaydash, production(maintenance=ON))
    elb = replaydash.client("elbv2")
    ours = replaydash.route()
    theirs = {"Field": "path-pattern", "Values": ["/vip/*"]}
    elb.set_rule_priorities(RulePriorities=[{"RuleArn": ours["rule_arn"], "Priority": 5}])
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "204"}}
    elb.create_rule(ListenerArn=_listener(replaydash), Priority=4, Conditions=[theirs], Actions=[fixed])
    assert replaydash.route("/vip/x")["status"] == 204

    run.wait(31)
    run.converge()

    assert run.in_sync(), run.conditions()
    assert replaydash.route("/vip/x")["status"] == 503


def test_by_the_default_action_it_does_as_the_runbook_and_returns_to_the_target_group(replaydash: World) -> None:
    elb = replaydash.client("elbv2")
    for rule in _rules(replaydash):
        if rule["Priority"] == "10":  # with it, the host rule would win over any default action
            elb.delete_rule(RuleArn=rule["RuleArn"])
    replaydash.aws.clear_calls()
    replaydash.git.commit(production(maintenance=[*OFF, *DEFAULT]))
    before = _rules(replaydash)
    replaydash.git.commit(production(maintenance=[*ON, *DEFAULT]))

    assert replaydash.once().returncode == 0
    during = replaydash.route()
    replaydash.git.revert()
    done = replaydash.once()

    assert done.returncode == 0, done.stderr
    assert (during["priority"], during["status"], during["body"]) == ("default", 503, PAGE)
    assert replaydash.route()["action"] == "forward"
    assert [group["name"] for group in replaydash.route()["target_groups"]] == [SERVICE]
    assert _plain(_rules(replaydash)) == _plain(before)
    assert replaydash.writes() == ["AddTags", "ModifyListener", "ModifyListener", "RemoveTags"]


@pytest.mark.parametrize("enabled", [ON, OFF], ids=["entering", "leaving"])
def test_a_default_action_that_is_not_ours_is_left_alone(replaydash: World, enabled: list[str]) -> None:
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "MessageBody": "by hand"}}
    replaydash.client("elbv2").modify_listener(ListenerArn=_listener(replaydash), DefaultActions=[fixed])
    replaydash.aws.clear_calls()
    replaydash.git.commit(production(maintenance=[*enabled, *DEFAULT]))
    run = Inside(replaydash)

    run.converge()

    assert run.conditions()["maintenance"] == "stalled"
    assert replaydash.writes() == []


def test_a_forgotten_maintenance_is_said_in_condition_and_metric_and_never_ended(replaydash: World) -> None:
    until = instant(replaydash.aws.now())
    replaydash.git.commit(production(maintenance=[*ON, f"until: {until}"]))
    daemon = replaydash.daemon(interval=0.5)

    eventually(lambda: daemon.condition("maintenance") == "stalled")

    assert "forgotten" in daemon.resource("maintenance")["reason"]
    metrics = daemon.get("/metrics")
    labels = 'environment="replaydash-production",kind="maintenance",name="maintenance"'
    assert f'trueup_advice{{{labels},type="maintenance_forgotten"}} 1.0' in metrics
    assert f'trueup_resource_condition{{condition="stalled",{labels}}} 1.0' in _sorted_labels(metrics)
    daemon.after_passes(2)
    assert replaydash.route()["status"] == 503
    assert replaydash.writes() == ["CreateRule"]


def test_leaving_waits_for_a_service_that_is_progressing(replaydash: World) -> None:
    run = _following(replaydash, production(api=["task_revision: 124"], maintenance=ON))

    replaydash.git.commit(production(api=["task_revision: 123"], maintenance=OFF))
    run.loop.poll()
    run.step()
    waiting = replaydash.writes()
    reason = run.reasons()["maintenance"]
    run.converge()

    assert waiting == ["UpdateService"]
    assert reason == "leaves maintenance once api has settled"
    assert replaydash.writes() == ["UpdateService", "DeleteRule"]
    assert run.in_sync()


def test_leaving_never_waits_for_a_service_that_is_stalled(replaydash: World) -> None:
    run = _following(replaydash, production(api=["task_revision: 124"], maintenance=ON))

    replaydash.git.commit(production(api=["task_revision: 124", f"image_tag: {BAD_TAG}"], maintenance=OFF))
    run.converge()

    conditions = run.conditions()
    assert (conditions["api"], conditions["maintenance"]) == ("stalled", "in_sync")
    assert replaydash.route()["action"] == "forward"


def test_entering_comes_before_everything_else_and_waits_for_nothing(replaydash: World) -> None:
    run = _following(replaydash, production(api=["task_revision: 124"], maintenance=OFF))

    replaydash.git.commit(production(api=["task_revision: 123"], maintenance=ON))
    run.converge()

    assert replaydash.writes() == ["CreateRule", "UpdateService"]


def test_whether_it_is_possible_is_known_before_it_is_needed(replaydash: World) -> None:
    elb = replaydash.client("elbv2")
    condition = {"Field": "path-pattern", "Values": ["/first/*"]}
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "204"}}
    elb.create_rule(ListenerArn=_listener(replaydash), Priority=1, Conditions=[condition], Actions=[fixed])
    replaydash.git.commit(production(maintenance=OFF))
    run = Inside(replaydash)

    run.converge()

    advice = next(r.advice for r in run.loop.status().environments[0].resources if r.kind == "maintenance")
    assert run.in_sync()
    assert [each.type for each in advice] == ["maintenance_not_possible"]
    assert "no priority is free" in advice[0].message


def _following(world: World, text: str) -> Inside:
    world.git.commit(text)
    run = Inside(world)
    run.converge()
    assert run.in_sync(), run.conditions()
    world.aws.clear_calls()
    return run


def _routes(world: World) -> list[dict[str, Any]]:
    return [world.route(path, host) for host, path in PLACES]


def _listener(world: World) -> str:
    elb = world.client("elbv2")
    balancer = elb.describe_load_balancers(Names=[ALB])["LoadBalancers"][0]["LoadBalancerArn"]
    listeners = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    return next(each["ListenerArn"] for each in listeners if each["Port"] == 443)


def _rules(world: World) -> list[dict[str, Any]]:
    return world.client("elbv2").describe_rules(ListenerArn=_listener(world))["Rules"]


def _plain(rules: list[dict[str, Any]]) -> list[Any]:
    """The rules without what ELB spells in two ways: a forward to one group, with or without its ForwardConfig."""
    shown = []
    for rule in rules:
        actions = [
            (
                action["Type"],
                action.get("TargetGroupArn") or action["ForwardConfig"]["TargetGroups"][0]["TargetGroupArn"],
            )
            if action["Type"] == "forward"
            else action
            for action in rule["Actions"]
        ]
        shown.append((rule["Priority"], rule["Conditions"], actions))
    return shown


def _sorted_labels(text: str) -> str:
    """Metrics with the labels of each series in alphabetical order."""
    lines = []
    for line in text.splitlines():
        name, brace, rest = line.partition("{")
        labels, _, value = rest.rpartition("}")
        lines.append(f"{name}{{{','.join(sorted(labels.split(',')))}}}{value}" if brace else line)
    return "\n".join(lines)
