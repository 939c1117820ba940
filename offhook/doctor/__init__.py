"""`offhook doctor`: looks at a host, and at a role's configuration on it, and says what to do about what it finds.

`probe` asks the system, `host` and `role` judge the answers, so every judgement can be tested on any machine.
"""
