"""What every role's process has in common: configuration, keys, discovery, logs, admin endpoints, start and stop.

| module      | what it does                                                                 |
| ----------- | ---------------------------------------------------------------------------- |
| `config`    | reads configuration and key files, and says in one line what is wrong with them |
| `key_file`  | notices that the key file has changed                                        |
| `discovery` | turns configured targets into gRPC targets, and follows DNS                  |
| `admin`     | `/livez`, `/readyz`, `/metrics`                                              |
| `logs`      | structured log lines on standard error                                       |
| `lifecycle` | runs a service until a signal, and writes its ready file                     |
"""
