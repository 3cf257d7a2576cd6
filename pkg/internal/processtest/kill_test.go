package processtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/replication"
)

// kills is how many processes the loop kills. REPLIDESK_TEST_KILLS asks for more.
func kills(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("REPLIDESK_TEST_KILLS"))
	if err != nil {
		n = 300
	}
	t.Logf("%d kills", n)
	return n
}

func TestFunctionsThatAreKilledAtAnyMomentMakeOneOfEverything(t *testing.T) {
	d := newDesk(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	const tickets = 8
	pairs := map[string][2]string{}
	for i := range tickets {
		id, src, dst := fmt.Sprintf("KILL-%d", i), fmt.Sprintf("kill-src-%d", i), fmt.Sprintf("kill-dst-%d", i)
		pairs[id] = [2]string{src, dst}
		d.pair(src, dst)
		d.submit(id, src, dst)
	}
	functions := []string{"provision", "verify", "progress"}
	killed, began := 0, time.Now()
	provision, verify := d.who.Config.QueueName(config.QueueWakeProvision), d.who.Config.QueueName(config.QueueWakeVerify)
	for n := kills(t); killed < n; {
		// Hints for some job keep processes at work; now and then a ticket comes again.
		id := fmt.Sprintf("KILL-%d", rng.IntN(tickets))
		for _, queue := range []string{provision, verify} {
			require.NoError(t, d.who.Bus.Send(context.Background(), queue, fmt.Appendf(nil, `{"wake":{"job":%q,"rev":0}}`, id), 0))
		}
		if rng.IntN(20) == 0 {
			d.submit(id, pairs[id][0], pairs[id][1])
		}
		time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
		if d.cloud.KillFunction(functions[rng.IntN(len(functions))]) {
			killed++
		}
	}
	t.Logf("the last was killed %s after the first", time.Since(began).Round(time.Second))
	ends := map[replication.Phase]int{}
	for id := range pairs {
		j := d.await(id, 3*time.Minute)
		ends[j.Phase]++
		if j.Phase != replication.PhaseWatching { // three deaths in a row in one effect are an end too
			require.Equal(t, replication.ReasonWorkerCrash, j.Reason, j.Message)
		}
	}
	t.Logf("%d processes killed; ends %v; %s in all", killed, ends, time.Since(began).Round(time.Second))
	require.NotZero(t, ends[replication.PhaseWatching])
	d.requireOneOfEverything(pairs)
}

func TestTheSameMessageTwentyTimesIsOneJob(t *testing.T) {
	d := newDesk(t)
	d.pair("src-twenty", "dst-twenty")
	for range 20 {
		d.submit("TWENTY", "src-twenty", "dst-twenty")
	}
	j := d.await("TWENTY", time.Minute)
	require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
	d.requireOneOfEverything(map[string][2]string{"TWENTY": {"src-twenty", "dst-twenty"}})
}

func TestOfTwoTicketsForOnePairOneIsRefused(t *testing.T) {
	d := newDesk(t)
	d.pair("src-two", "dst-two")
	d.submit("TWO-A", "src-two", "dst-two")
	d.submit("TWO-B", "src-two", "dst-two")
	a, b := d.await("TWO-A", time.Minute), d.await("TWO-B", time.Minute)
	if a.Phase != replication.PhaseWatching {
		a, b = b, a
	}
	require.Equal(t, replication.PhaseWatching, a.Phase, a.Message)
	require.Equal(t, replication.PhaseRejected, b.Phase)
	require.Contains(t, []replication.Reason{replication.ReasonDuplicate, replication.ReasonPairDiffers}, b.Reason)
	d.requireOneOfEverything(map[string][2]string{"TWO": {"src-two", "dst-two"}})
}

func TestTwoProcessesOnOneJobDoNotDisturbEachOther(t *testing.T) {
	d := newDesk(t)
	d.pair("src-both", "dst-both")
	d.submit("BOTH", "src-both", "dst-both")
	queue := d.who.Config.QueueName(config.QueueWakeProvision)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() { // hints for whatever the newest entry is, all the time, to several processes
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				_ = d.who.Bus.Send(context.Background(), queue, []byte(`{"wake":{"job":"BOTH","rev":0}}`), 0)
			}
		}
	}()
	j := d.await("BOTH", time.Minute)
	close(stop)
	<-done
	require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
	d.requireOneOfEverything(map[string][2]string{"BOTH": {"src-both", "dst-both"}})
}
