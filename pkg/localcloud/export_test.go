package localcloud

import "fmt"

// Deployed returns the lines that s.yaml has for what this package does.
func Deployed() []string {
	lines := []string{
		fmt.Sprintf("memorySize: %d", memory),
		fmt.Sprintf("timeout: %d", int(timeout.Seconds())),
		fmt.Sprintf("CountBasedWindow: %d", batchCount),
		fmt.Sprintf("TimeBasedWindow: %d", int(batchWindow.Seconds())),
		fmt.Sprintf("maxAsyncEventAgeInSeconds: %d", int(asyncMaxAge.Seconds())),
		fmt.Sprintf("payload: '%s'", tickPayload),
		"maxAsyncRetryAttempts: 0",
		"cronExpression: '@every 1m'",
		"IsBase64Decode: true",
		"mode: event-streaming",
		"eventSchema: CloudEvents",
		"errorsTolerance: ALL",
		"PushRetryStrategy: EXPONENTIAL_DECAY_RETRY",
		"queues/${vars.prefix}-undelivered",
	}
	for function, n := range instances {
		lines = append(lines, "functionName: replidesk-"+function, fmt.Sprintf("reservedConcurrency: %d", n))
	}
	for _, t := range queueTriggers {
		lines = append(lines, "triggerName: "+t.name, "QueueName: ${vars.prefix}-"+string(t.queue))
	}
	return lines
}
