"""The outside world, pretended: two shops that answer, send and fail like the real ones. For the demo and the tests.

Nothing here knows Cartwheel's rows, services or pages; it talks to Cartwheel over HTTP, as a shop does.
"""
