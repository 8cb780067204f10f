"""The rooms of the two suites; their doors are ``testing.broker_conformance`` and ``testing.result_conformance``."""
