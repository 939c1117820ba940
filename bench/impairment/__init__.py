"""A slow network between real clients and a real fabric, in user space: no kernel module, no privilege."""
