# Where an environment that was deployed before has what stands in this root now.
moved {
  from = module.stack.module.network
  to   = module.network
}

moved {
  from = module.stack.module.lake
  to   = module.lake
}

moved {
  from = module.stack.module.warehouse
  to   = module.warehouse
}

moved {
  from = module.stack.module.observability
  to   = module.observability
}

moved {
  from = module.stack.module.secrets
  to   = module.secrets
}

moved {
  from = module.stack.module.airflow
  to   = module.airflow
}
