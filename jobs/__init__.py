"""What runs behind the doors: the scheduler, the worker, and a drain for each queue."""
