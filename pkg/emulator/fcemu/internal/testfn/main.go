// Command testfn is a function for the tests of fcemu: it does what its event says.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/aliyun/fc-runtime-go-sdk/fc"
	"github.com/aliyun/fc-runtime-go-sdk/fccontext"
)

// An order is the event of an invocation.
type order struct {
	Do    string // "report" (also ""), "fail", "panic", "panic elsewhere", "exit", "sleep", "ignore the deadline"
	Sleep time.Duration
}

// A report says what the function found when it was called.
type report struct {
	Count                     int64 // invocations of this process so far
	PID                       int
	Function, Region, Account string
	Memory                    string
	RequestID                 string
	Retry                     int
	Left                      time.Duration // to the deadline
	KeyID, Secret, Token      string
	Env                       []string
	WorkingDirectory          string
	MostAtOnce                int64 // the most invocations that this process ever had at once
}

var count, now, most atomic.Int64

func handle(ctx context.Context, o order) (report, error) {
	n := count.Add(1)
	if at := now.Add(1); at > most.Load() {
		most.Store(at)
	}
	defer now.Add(-1)
	switch o.Do {
	case "fail":
		return report{}, errors.New("told to fail")
	case "panic":
		panic("told to panic")
	case "panic elsewhere":
		go panic("told to panic in a goroutine")
		select {}
	case "exit":
		fmt.Print("last words without a line end")
		os.Exit(3)
	case "sleep":
		select {
		case <-time.After(o.Sleep):
		case <-ctx.Done():
			return report{}, ctx.Err()
		}
	case "ignore the deadline":
		select {}
	}
	fc, _ := fccontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	wd, err := os.Getwd()
	fmt.Println("out:", o.Do)
	fmt.Fprintln(os.Stderr, "err:", o.Do)
	return report{
		Count: n, PID: os.Getpid(), Function: fc.Function.Name, Region: fc.Region, Account: fc.AccountId,
		Memory: fc.Function.Memory, RequestID: fc.RequestID, Retry: fc.RetryCount, Left: time.Until(deadline),
		KeyID: fc.Credentials.AccessKeyId, Secret: fc.Credentials.AccessKeySecret, Token: fc.Credentials.SecurityToken,
		Env: os.Environ(), WorkingDirectory: wd, MostAtOnce: most.Load(),
	}, err
}

func main() {
	if os.Getenv("TESTFN_EXIT") != "" { // code that ends before it asks for an event
		os.Exit(1)
	}
	fc.Start(func(ctx context.Context, event json.RawMessage) (report, error) {
		var o order
		if err := json.Unmarshal(event, &o); err != nil {
			return report{}, err
		}
		return handle(ctx, o)
	})
}
