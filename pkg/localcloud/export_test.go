package localcloud

// Schedule is what a timer of s.yaml becomes with these options.
func (o Options) Schedule(cron string) string { return o.schedule(cron) }
