"""What tests share: a checkout to change, made-up records and configs, small networks."""
