# What a person looks at in the morning: is it up to date, what did it move, does it fit where it runs.

data "aws_region" "current" {}

locals {
  region = data.aws_region.current.id

  rows = concat([
    [local.status],
    [local.lag, local.run_time],
    [local.per_table["RowsNew"], local.per_table["RowsChanged"]],
    [local.per_table["RowsDeleted"], local.per_table["RowsRejected"]],
    [local.tasks, local.worker, local.warehouse_load, local.warehouse_space],
  ], local.row_of_api)

  # The grid has 24 columns; a row's widgets share them.
  widgets = flatten([
    for y, row in local.rows : [
      for x, widget in row : merge(widget, { x = x * 24 / length(row), y = y * 6, width = 24 / length(row), height = 6 })
    ]
  ])
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({ start = "-PT24H", periodOverride = "auto", widgets = local.widgets })
}
