"""Times with their seconds, in an order that can be read beside a log."""

DATETIME_FORMAT = "Y-m-d H:i:s"
