package serverless

import (
	"errors"
	"fmt"
)

// What has to be so between several values.

// maxSync is how long EventBridge waits for a call, in seconds. [fact 57]
const maxSync Timeout = 300

func (f *File) limits() error {
	var bad []error
	names := map[FunctionName]string{}
	for resource, r := range f.Resources {
		name := r.Props.FunctionName
		if first, doubled := names[name]; doubled {
			bad = append(bad, fmt.Errorf("the resources %s and %s both make the function %s", min(first, resource), max(first, resource), name))
		}
		names[name] = resource
	}
	return errors.Join(bad...)
}

func (f *Function) limits() error {
	var bad []error
	add := func(format string, args ...any) { bad = append(bad, fmt.Errorf(format, args...)) }
	if gb := float64(f.MemorySize) / 1024; float64(f.CPU) > gb || gb > 4*float64(f.CPU) {
		add("cpu %v to memorySize %d: the vCPUs are to the memory in GB as 1:1 to 1:4", float64(f.CPU), f.MemorySize)
	}
	names := map[FunctionName]bool{}
	queues, asynchronous := false, false
	for _, t := range f.Triggers {
		if names[t.Name] {
			add("triggers: the name %s is there twice", t.Name)
		}
		names[t.Name] = true
		switch c := t.Config.(type) {
		case *Timer:
			asynchronous = true // always [fact 34]
			if queues {
				add("triggers: %s stands after an eventbridge trigger; while that one is unchanged, the component skips what comes after it", t.Name)
			}
		case *Queue:
			queues = true
			asynchronous = asynchronous || c.Async
			if !c.Async && f.Timeout > maxSync {
				add("timeout %d: trigger %s waits for at most %d seconds", f.Timeout, t.Name, maxSync)
			}
			if c.Source.Parameters.MNS.RegionID != f.Region {
				add("triggers: %s takes from a queue in %s, which is not the function's region %s", t.Name, c.Source.Parameters.MNS.RegionID, f.Region)
			}
		}
	}
	if asynchronous && f.Async == nil {
		add("asyncInvokeConfig is missing: it is called asynchronously, and the cloud's defaults would repeat a failed call three times within a day")
	}
	return errors.Join(bad...)
}

// choose returns what the config of a trigger of this type is read into; nil for a
// type that is not known, which is a problem of the type alone.
func (t *Trigger) choose() any {
	switch t.Type {
	case typeTimer:
		return &Timer{}
	case typeEventBridge:
		return &Queue{}
	}
	return nil
}
