"""Each part by itself, on a real server and a real S3 API where it needs one."""
