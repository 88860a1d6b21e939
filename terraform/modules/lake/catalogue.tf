# The database of the Glue catalogue that has the lake's tables, which the pipeline makes and commits to.
resource "aws_glue_catalog_database" "lake" {
  name        = "${replace(var.name, "-", "_")}_lake"
  description = "The changelogs of the warehouse's tables of ${var.name}, as Apache Iceberg over the processed bucket"

  # IAM decides about its tables, whatever the account's default is in Lake Formation.
  create_table_default_permission {
    permissions = ["ALL"]

    principal {
      data_lake_principal_identifier = "IAM_ALLOWED_PRINCIPALS"
    }
  }
}
