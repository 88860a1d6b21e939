# The warehouse's tables, drawn from the lake's, in a database of their own: the names are the same. Athena keeps a view as a
# table of the catalogue with its definition, which Glue does not look into.

locals {
  # The package's `views.json`, which the declarations make: name → the lake's table, the SQL, the columns.
  views  = jsondecode(file(var.views_file))
  tables = sort(distinct([for view in local.views : view.table]))
}

resource "aws_glue_catalog_database" "warehouse" {
  name        = "${replace(var.name, "-", "_")}_warehouse"
  description = "The warehouse's tables of ${var.name}, as views of the lake for Athena"

  # IAM decides about its tables, whatever the account's default is in Lake Formation.
  create_table_default_permission {
    permissions = ["ALL"]

    principal {
      data_lake_principal_identifier = "IAM_ALLOWED_PRINCIPALS"
    }
  }
}

resource "aws_glue_catalog_table" "view" {
  for_each = local.views

  name          = each.key
  database_name = aws_glue_catalog_database.warehouse.name
  table_type    = "VIRTUAL_VIEW"
  parameters    = { presto_view = "true", comment = "Presto View" }

  view_expanded_text = "/* Presto View */"
  view_original_text = "/* Presto View: ${base64encode(jsonencode({
    originalSql = replace(each.value.sql, "\"changelog\".", "\"${var.lake_database}\".")
    catalog     = "awsdatacatalog"
    schema      = aws_glue_catalog_database.warehouse.name
    columns     = [for column in each.value.columns : { name = column.name, type = column.athena }]
  }))} */"

  storage_descriptor {
    ser_de_info {
      name                  = "-"
      serialization_library = "-"
    }

    dynamic "columns" {
      for_each = each.value.columns
      content {
        name = columns.value.name
        type = columns.value.glue
      }
    }
  }
}
