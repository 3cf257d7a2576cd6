package fcemu

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func statusOf(t *testing.T, err error) (int, string) {
	t.Helper()
	var e *world.Error
	require.ErrorAs(t, err, &e)
	return e.Status, e.Code
}

// busy is a function that works for as long as its payload says.
func busy(ctx context.Context, in Invocation) ([]byte, error) {
	d, err := time.ParseDuration(string(in.Payload))
	if err == nil && !sleep(ctx, d) {
		err = ctx.Err()
	}
	return []byte(in.InstanceID), err
}

func TestInstances(t *testing.T) {
	ctx := context.Background()
	t.Run("an instance that is free is used again", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			b.deploy(Function{}, busy)
			first, err := b.p.Invoke(ctx, "f", []byte("1s"))
			require.NoError(t, err)
			second, err := b.p.Invoke(ctx, "f", []byte("1s"))
			require.NoError(t, err)
			require.Equal(t, first.Payload, second.Payload)
			require.NotEqual(t, first.RequestID, second.RequestID)
			s := b.p.Stats("f")
			require.Equal(t, 1, s.Instances)
			require.Len(t, s.ColdStarts, 1)
		})
	})
	t.Run("each instance serves one invocation at a time, and new ones come up to the limit", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			b.deploy(Function{MaxInstances: 3, Timeout: time.Minute}, busy)
			ids := make(chan string, 3)
			for range 3 {
				go func() {
					res, err := b.p.Invoke(ctx, "f", []byte("10s"))
					if err != nil {
						ids <- err.Error()
						return
					}
					ids <- string(res.Payload)
				}()
			}
			synctest.Wait()
			require.Equal(t, 3, b.p.Stats("f").InFlight)
			_, err := b.p.Invoke(ctx, "f", []byte("1s"))
			status, code := statusOf(t, err)
			require.Equal(t, 429, status)
			require.Equal(t, "ResourceThrottled", code)
			distinct := map[string]bool{}
			for range 3 {
				distinct[<-ids] = true
			}
			require.Len(t, distinct, 3)
			synctest.Wait()
			s := b.p.Stats("f")
			require.Equal(t, []int{3, 0, 1, 3}, []int{s.Instances, s.InFlight, s.Throttled, s.MaxBusy})
			_, err = b.p.Invoke(ctx, "f", []byte("1s"))
			require.NoError(t, err)
		})
	})
	t.Run("a cold start takes its time once", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{ColdStart: 40 * time.Millisecond}, func(b *bench) {
			b.deploy(Function{}, busy)
			for range 2 {
				_, err := b.p.Invoke(ctx, "f", []byte("1s"))
				require.NoError(t, err)
			}
			require.Equal(t, []ColdStart{{Ready: 40 * time.Millisecond, Answer: 1040 * time.Millisecond}}, b.p.Stats("f").ColdStarts)
		})
	})
	t.Run("an instance without work is ended after the idle limit", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{IdleLimit: time.Minute}, func(b *bench) {
			b.deploy(Function{}, busy)
			for range 3 {
				_, err := b.p.Invoke(ctx, "f", []byte("1s"))
				require.NoError(t, err)
				time.Sleep(50 * time.Second)
			}
			require.Equal(t, 1, b.p.Stats("f").Instances)
			time.Sleep(11 * time.Second)
			s := b.p.Stats("f")
			require.Zero(t, s.Instances)
			require.Zero(t, s.Crashes)
		})
	})
	t.Run("a killed instance fails its invocation and is replaced", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			b.deploy(Function{Timeout: time.Minute}, busy)
			require.False(t, b.p.Kill("f"), "there is none yet")
			time.AfterFunc(5*time.Second, func() { b.p.Kill("f") })
			res, err := b.p.Invoke(ctx, "f", []byte("10s"))
			require.NoError(t, err)
			require.Equal(t, UnhandledInvocationError, res.ErrorType)
			require.JSONEq(t, `{"errorMessage":"Process exited unexpectedly before completing request (duration: 5000ms, maxMemoryUsage: 0MB)"}`, string(res.Payload))
			res, err = b.p.Invoke(ctx, "f", []byte("1s"))
			require.NoError(t, err)
			require.False(t, res.Failed())
			s := b.p.Stats("f")
			require.Equal(t, []int{2, 1, 1, 1}, []int{s.Invocations, s.Errors, s.Crashes, s.Instances})
		})
	})
	t.Run("the longest busy instance is killed first, an idle one last", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			b.deploy(Function{Timeout: time.Minute}, busy)
			type end struct {
				name   string
				failed bool
			}
			ends := make(chan end, 3)
			for _, d := range []string{"1s", "20s", "21s"} {
				go func() {
					res, err := b.p.Invoke(ctx, "f", []byte(d))
					ends <- end{d, err != nil || res.Failed()}
				}()
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(5 * time.Second)
			require.True(t, b.p.Kill("f"))
			require.Equal(t, end{"1s", false}, <-ends)
			require.Equal(t, end{"20s", true}, <-ends)
			require.Equal(t, end{"21s", false}, <-ends)
			synctest.Wait()
			require.Equal(t, 2, b.p.Stats("f").Instances)
		})
	})
	t.Run("a new deploy lets the old code finish and uses it no more", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			code := func(name string) func(context.Context, Invocation) ([]byte, error) {
				return func(ctx context.Context, in Invocation) ([]byte, error) {
					_, err := busy(ctx, in)
					return []byte(name), err
				}
			}
			b.deploy(Function{Timeout: time.Minute}, code("old"))
			got := make(chan string, 1)
			go func() {
				res, _ := b.p.Invoke(ctx, "f", []byte("10s"))
				got <- string(res.Payload)
			}()
			time.Sleep(time.Second)
			b.deploy(Function{Timeout: time.Minute}, code("new"))
			res, err := b.p.Invoke(ctx, "f", []byte("1s"))
			require.NoError(t, err)
			require.Equal(t, "new", string(res.Payload))
			require.Equal(t, "old", <-got)
			synctest.Wait()
			require.Equal(t, 1, b.p.Stats("f").Instances)
		})
	})
}

func TestFunctionErrors(t *testing.T) {
	var wrapped = fmt.Errorf("outer: %w", errTest)
	for name, c := range map[string]struct {
		invoke   func(context.Context, Invocation) ([]byte, error)
		document string
		gone     bool
	}{
		"a returned error is a document with its type": {
			invoke:   func(context.Context, Invocation) ([]byte, error) { return nil, wrapped },
			document: `{"errorMessage":"outer: not today","errorType":"wrapError"}`,
		},
		"a deadline that is overrun ends the instance": {
			invoke:   func(context.Context, Invocation) ([]byte, error) { time.Sleep(time.Minute); return nil, nil },
			document: `{"errorMessage":"Function timed out after 3 seconds (maxMemoryUsage: 0MB)"}`,
			gone:     true,
		},
		"a function that heeds its deadline answers for itself": {
			invoke:   func(ctx context.Context, _ Invocation) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() },
			document: `{"errorMessage":"context deadline exceeded","errorType":"deadlineExceededError"}`,
		},
		"the end of the process is a document without a type": {
			invoke: func(context.Context, Invocation) ([]byte, error) {
				time.Sleep(time.Second)
				runtime.Goexit()
				return nil, nil
			},
			document: `{"errorMessage":"Process exited unexpectedly before completing request (duration: 1000ms, maxMemoryUsage: 0MB)"}`,
			gone:     true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, world.Options{}, Options{}, func(b *bench) {
				b.deploy(Function{}, c.invoke)
				res, err := b.p.Invoke(context.Background(), "f", nil)
				require.NoError(t, err)
				require.Equal(t, UnhandledInvocationError, res.ErrorType)
				require.JSONEq(t, c.document, string(res.Payload))
				synctest.Wait()
				require.Equal(t, c.gone, b.p.Stats("f").Instances == 0)
			})
		})
	}
	t.Run("a panic is a document with a stack, and the instance stays", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			b.deploy(Function{}, func(context.Context, Invocation) ([]byte, error) { panic("oh no") })
			res, err := b.p.Invoke(context.Background(), "f", nil)
			require.NoError(t, err)
			var doc struct {
				ErrorMessage, ErrorType string
				StackTrace              []stackFrame
			}
			require.NoError(t, json.Unmarshal(res.Payload, &doc))
			require.Equal(t, "oh no", doc.ErrorMessage)
			require.Equal(t, "string", doc.ErrorType)
			require.NotEmpty(t, doc.StackTrace)
			synctest.Wait()
			require.Equal(t, 1, b.p.Stats("f").Instances)
		})
	})
}

func TestInvoke(t *testing.T) {
	ctx := context.Background()
	t.Run("an invocation goes on when its caller has gone", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			done := false
			b.deploy(Function{Timeout: time.Minute}, func(ctx context.Context, in Invocation) ([]byte, error) {
				out, err := busy(ctx, in)
				done = err == nil
				return out, err
			})
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := b.p.Invoke(short, "f", []byte("10s"))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			time.Sleep(10 * time.Second)
			synctest.Wait()
			require.True(t, done)
		})
	})
	t.Run("the function gets what the platform knows", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			b.role("fn", "")
			time.Sleep(time.Minute) // the role spreads
			var got []Invocation
			b.deploy(Function{Role: "fn", Memory: 256, Timeout: 7 * time.Second}, func(_ context.Context, in Invocation) ([]byte, error) {
				got = append(got, in)
				return nil, nil
			})
			for range 2 {
				_, err := b.p.Invoke(ctx, "f", []byte("x"))
				require.NoError(t, err)
			}
			in := got[0]
			require.Equal(t, []any{"f", region, account, 256, 7 * time.Second, 0},
				[]any{in.Function, in.Region, in.AccountID, in.MemoryMB, in.Timeout, in.RetryCount})
			require.Equal(t, time.Now().Add(7*time.Second), in.Deadline)
			key, ok := b.w.Key(in.Credentials.AccessKeyID)
			require.True(t, ok)
			require.Equal(t, "fn", key.Principal.Name)
			require.Equal(t, world.KindAssumedRole, key.Principal.Kind)
			require.Equal(t, 36*time.Hour, time.Until(key.Expires))
			require.Equal(t, key.Secret, in.Credentials.AccessKeySecret)
			require.Equal(t, key.Token, in.Credentials.SecurityToken)
			require.NotEqual(t, in.Credentials, got[1].Credentials, "fresh keys for every invocation")
			require.NotContains(t, fmt.Sprintf("%v %+v %#v", in, in, in), key.Secret)
		})
	})
	t.Run("a role that does not trust Function Compute is refused", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			_, e := b.w.CreateRole(account, world.NewRole{Name: "oss", Trust: `{"Version":"1","Statement":[
				{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["oss.aliyuncs.com"]}}]}`})
			require.Nil(t, e)
			time.Sleep(time.Minute)
			b.deploy(Function{Role: "oss"}, busy)
			_, err := b.p.Invoke(ctx, "f", nil)
			status, code := statusOf(t, err)
			require.Equal(t, 403, status)
			require.Equal(t, "AccessDenied", code)
			require.Zero(t, b.p.Stats("f").Instances)
		})
	})
	t.Run("what cannot be invoked is refused", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			b.deploy(Function{}, busy)
			_, err := b.p.Invoke(ctx, "nobody", nil)
			status, _ := statusOf(t, err)
			require.Equal(t, 404, status)
			_, err = b.p.Invoke(ctx, "f", bytes.Repeat([]byte("x"), maxSyncBody+1))
			status, _ = statusOf(t, err)
			require.Equal(t, 400, status)
			_, err = b.p.InvokeAsync("f", bytes.Repeat([]byte("x"), maxAsyncBody+1))
			status, _ = statusOf(t, err)
			require.Equal(t, 400, status)
			b.p.Stop()
			_, err = b.p.Invoke(ctx, "f", nil)
			require.ErrorIs(t, err, errStopped)
			_, err = b.p.InvokeAsync("f", nil)
			require.ErrorIs(t, err, errStopped)
			require.ErrorIs(t, b.p.AddTimer("f", TimerTrigger{Name: "t", Cron: "@every 1m"}), errStopped)
		})
	})
	t.Run("every invocation is in the log of calls", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			b.deploy(Function{}, busy)
			b.w.Break(world.Fault{Service: "fc", Resource: "f", Kind: world.FaultRefuse, Status: 500, Code: "InternalServerError", Times: 1})
			_, err := b.p.Invoke(ctx, "f", []byte("1s"))
			status, _ := statusOf(t, err)
			require.Equal(t, 500, status)
			_, err = b.p.Invoke(ctx, "f", []byte("no duration"))
			require.NoError(t, err)
			calls, _ := b.w.Calls(0)
			require.Len(t, calls, 2)
			require.Equal(t, "InternalServerError", calls[0].Code)
			require.Equal(t, world.FaultRefuse, calls[0].Fault)
			require.Equal(t, 200, calls[1].Status)
			require.Equal(t, UnhandledInvocationError, calls[1].Code)
		})
	})
}

func TestFunctionIsChecked(t *testing.T) {
	good := Function{Name: "f", Region: region, Account: account, Invoke: busy}
	for name, change := range map[string]func(*Function){
		"a name with a space":            func(f *Function) { f.Name = "a b" },
		"no region":                      func(f *Function) { f.Region = "" },
		"neither code nor binary":        func(f *Function) { f.Invoke = nil },
		"both code and binary":           func(f *Function) { f.Binary = "/bin/true" },
		"a binary that does not exist":   func(f *Function) { f.Invoke, f.Binary = nil, "nowhere/main" },
		"a binary that cannot be run":    func(f *Function) { f.Invoke, f.Binary = nil, "doc.go" },
		"memory that is no multiple":     func(f *Function) { f.Memory = 500 },
		"a fraction of a second":         func(f *Function) { f.Timeout = 1500 * time.Millisecond },
		"too long a time":                func(f *Function) { f.Timeout = 25 * time.Hour },
		"negative instances":             func(f *Function) { f.MaxInstances = -1 },
		"a reserved variable":            func(f *Function) { f.Env = map[string]string{"FC_REGION": "x"} },
		"a variable that is no name":     func(f *Function) { f.Env = map[string]string{"1A": "x"} },
		"too large an environment":       func(f *Function) { f.Env = map[string]string{"A": string(make([]byte, 4096))} },
		"nine retries":                   func(f *Function) { f.Async = &AsyncConfig{MaxRetries: 9} },
		"an event age of 31 days":        func(f *Function) { f.Async = &AsyncConfig{MaxAge: 31 * 24 * time.Hour} },
		"a destination that is no queue": func(f *Function) { f.Async = &AsyncConfig{OnFailure: "acs:mns:r:1:/queues/q"} },
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			inBubble(t, world.Options{}, Options{}, func(b *bench) {
				f := good
				change(&f)
				err := b.p.Deploy(f)
				require.Error(t, err)
				require.NotContains(t, err.Error(), "\n")
				require.NoError(t, b.p.Deploy(good))
			})
		})
	}
}
