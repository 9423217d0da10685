"""The shell: everything that touches Kafka, disk, time, HTTP and processes."""
