"""An AWS to rehearse on: moto's server, made as strict and as slow as AWS."""
