package ossemu

// replicationRoutes are the operations on replication rules.
func replicationRoutes() []route { return nil }
