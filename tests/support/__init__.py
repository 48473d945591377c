"""What the tests share: homes, fakes, servers and clients, the simulator."""
