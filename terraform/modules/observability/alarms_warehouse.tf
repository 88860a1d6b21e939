locals {
  warehouse_alarms = {
    warehouse-storage = {
      description = "The warehouse has less than ${var.free_storage_gib} GiB free, or is not running. Raise max_allocated_storage_gib."
      namespace   = "AWS/RDS"
      metric      = "FreeStorageSpace"
      dimensions  = { DBInstanceIdentifier = var.warehouse_identifier }
      statistic   = "Minimum"
      comparison  = "LessThanThreshold"
      threshold   = var.free_storage_gib * pow(1024, 3)
      period      = 300
      periods     = 3
      # RDS publishes every minute for an instance that runs, so this one of the three tells that it does not.
      missing = "breaching"
    }

    warehouse-cpu = {
      description = "The warehouse's processors have been busy above ${var.cpu_percent} % for 30 minutes. Look at its performance insights."
      namespace   = "AWS/RDS"
      metric      = "CPUUtilization"
      dimensions  = { DBInstanceIdentifier = var.warehouse_identifier }
      statistic   = "Average"
      comparison  = "GreaterThanThreshold"
      threshold   = var.cpu_percent
      period      = 300
      periods     = 6
      # An instance that does not run is told by warehouse-storage.
      missing = "notBreaching"
    }

    warehouse-connections = {
      description = "More than ${var.connections} connections to the warehouse have been open for 15 minutes; soon it may take no more."
      namespace   = "AWS/RDS"
      metric      = "DatabaseConnections"
      dimensions  = { DBInstanceIdentifier = var.warehouse_identifier }
      statistic   = "Minimum"
      comparison  = "GreaterThanThreshold"
      threshold   = var.connections
      period      = 300
      periods     = 3
      # An instance that does not run is told by warehouse-storage.
      missing = "notBreaching"
    }
  }
}
