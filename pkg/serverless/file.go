package serverless

import "go.yaml.in/yaml/v3"

// A File is a whole s.yaml with its variables resolved and its templates merged in.
type File struct {
	Edition   Edition             `yaml:"edition"`
	Name      Text                `yaml:"name"`
	Access    Text                `yaml:"access"` // the credential profile of whoever deploys
	Vars      map[string]Text     `yaml:"vars"`
	Template  yaml.Node           `yaml:"template"` // what it says is checked in the props that it was merged into
	Resources map[string]Resource `yaml:"resources"`
}

// A Resource is one function with what has to be done before it is deployed.
type Resource struct {
	Component Component `yaml:"component"`
	Actions   Actions   `yaml:"actions"`
	Extend    *Extend   `yaml:"extend"`
	Props     Function  `yaml:"props"`
}

// Actions are commands around a deployment.
type Actions struct {
	PreDeploy []Action `yaml:"pre-deploy"`
}

// An Action is one command.
type Action struct {
	Run  Text `yaml:"run"`
	Path Text `yaml:"path"` // where it runs, from the directory of s.yaml
}

// Extend names the template that a resource's props are laid over.
type Extend struct {
	Name Text `yaml:"name"`
}

// A Function is the props of a resource.
type Function struct {
	Region       Region       `yaml:"region"`
	FunctionName FunctionName `yaml:"functionName"`
	Runtime      Runtime      `yaml:"runtime"`
	Handler      Handler      `yaml:"handler"`    // path of the executable in the package
	Code         Code         `yaml:"code"`       // directory whose content is the package
	Role         Role         `yaml:"role"`       // ARN
	CPU          CPU          `yaml:"cpu"`        // vCPUs
	MemorySize   Memory       `yaml:"memorySize"` // MB
	DiskSize     Disk         `yaml:"diskSize"`   // MB
	Timeout      Timeout      `yaml:"timeout"`    // seconds
	Environment  Environment  `yaml:"environmentVariables"`
	Log          Log          `yaml:"logConfig"`
	Concurrency  Concurrency  `yaml:"concurrencyConfig"`
	Async        *Async       `yaml:"asyncInvokeConfig"` // nil: nothing calls it asynchronously
	Triggers     []Trigger    `yaml:"triggers"`
}

// Log says where what a function writes is kept.
type Log struct {
	Project         Text         `yaml:"project"`
	Store           Text         `yaml:"logstore"`
	RequestMetrics  bool         `yaml:"enableRequestMetrics"`
	InstanceMetrics bool         `yaml:"enableInstanceMetrics"`
	BeginRule       LogBeginRule `yaml:"logBeginRule"`
}

// Concurrency bounds the instances of a function.
type Concurrency struct {
	Reserved Instances `yaml:"reservedConcurrency"`
}

// Async says what becomes of asynchronous calls that fail.
type Async struct {
	Retries     Retries     `yaml:"maxAsyncRetryAttempts"`
	MaxAge      EventAge    `yaml:"maxAsyncEventAgeInSeconds"`
	Destination Destination `yaml:"destinationConfig"`
}

// A Destination is who is told of them.
type Destination struct {
	OnFailure OnFailure `yaml:"onFailure"`
}

// OnFailure is who is told of a call that was given up.
type OnFailure struct {
	Destination QueueMessagesARN `yaml:"destination"`
}

// A Trigger calls a function. Config is a *Timer or a *Queue, as Type says.
type Trigger struct {
	Name      FunctionName `yaml:"triggerName"` // in the form of a function's name
	Type      TriggerType  `yaml:"triggerType"`
	Qualifier Qualifier    `yaml:"qualifier"`
	Config    any          `yaml:"triggerConfig"`
}

// A Timer is the config of a trigger of the type timer.
type Timer struct {
	Cron    Cron `yaml:"cronExpression"`
	Enable  bool `yaml:"enable"`
	Payload Text `yaml:"payload"`
}

// A Queue is the config of a trigger of the type eventbridge whose source is an MNS queue.
type Queue struct {
	Enable  bool        `yaml:"triggerEnable"`
	Async   bool        `yaml:"asyncInvocationType"`
	Filter  Filter      `yaml:"eventRuleFilterPattern"`
	Source  EventSource `yaml:"eventSourceConfig"`
	Sink    EventSink   `yaml:"eventSinkConfig"`
	Options RunOptions  `yaml:"runOptions"`
}

// EventSource is where the events of a [Queue] come from.
type EventSource struct {
	Type       SourceType       `yaml:"eventSourceType"`
	Parameters SourceParameters `yaml:"eventSourceParameters"`
}

// SourceParameters describes an event source.
type SourceParameters struct {
	MNS SourceMNS `yaml:"sourceMNSParameters"`
}

// SourceMNS is the queue that messages are taken from.
type SourceMNS struct {
	RegionID     Region    `yaml:"RegionId"`
	QueueName    QueueName `yaml:"QueueName"`
	Base64Decode bool      `yaml:"IsBase64Decode"`
}

// EventSink is how the function is called.
type EventSink struct {
	Delivery Delivery `yaml:"deliveryOption"`
}

// Delivery says what the function is given.
type Delivery struct {
	Schema EventSchema `yaml:"eventSchema"`
}

// RunOptions say how messages are batched, repeated and given up.
type RunOptions struct {
	Mode            Mode       `yaml:"mode"`
	ErrorsTolerance Tolerance  `yaml:"errorsTolerance"`
	Retry           Retry      `yaml:"retryStrategy"`
	Batch           Batch      `yaml:"batchWindow"`
	DeadLetters     DeadLetter `yaml:"deadLetterQueue"`
}

// Retry is how often and when a failed call is repeated.
type Retry struct {
	Strategy RetryStrategy `yaml:"PushRetryStrategy"`
}

// A Batch goes out when either window is full.
type Batch struct {
	Count   BatchCount   `yaml:"CountBasedWindow"` // messages
	Seconds BatchSeconds `yaml:"TimeBasedWindow"`
}

// DeadLetter is where messages go that were given up.
type DeadLetter struct {
	ARN QueueARN `yaml:"Arn"`
}
