"""The local voice agent: hears English, answers by rules, speaks. No cloud, no GPU."""
