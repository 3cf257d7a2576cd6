package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/engine"
	"github.com/replidesk/replidesk/pkg/replication"
)

// BenchmarkStep compares what the engine itself takes for one step (decide, encode,
// hash and save an entry, settle the outcome; journal in memory, cloud of fakes) with
// one bare call of the OSS SDK to the local cloud over loopback, in the same run. The
// real OSS is some milliseconds further away.
func BenchmarkStep(b *testing.B) {
	cloud, accounts := emulator.Ready(world.Options{})
	require.Nil(b, cloud.World.PutBucket(world.NewBucket{Name: "bench-state", Owner: accounts.A.UID, Region: "cn-hangzhou"}))
	server := httptest.NewServer(cloud)
	b.Cleanup(server.Close)
	client := oss.NewClient(oss.LoadDefaultConfig().WithRegion("cn-hangzhou").WithEndpoint(server.URL).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(accounts.A.Root.ID, accounts.A.Root.Secret)))
	content := bytes.Repeat([]byte("x"), 2048)
	var steps, calls, inEngine, inCalls float64
	for i := 0; b.Loop(); i++ {
		t := newBench(b)
		e := t.engines[replication.OwnerProvision]
		h, ok, err := e.Accept(context.Background(), []byte(ticket))
		require.True(b, ok)
		require.NoError(b, err)
		began := time.Now()
		require.NoError(b, e.Run(context.Background(), engine.Hint{Job: h.Job}))
		inEngine += float64(time.Since(began))
		_, s := t.job(h.Job)
		steps += float64(s.Seq)
		for n := range 10 {
			began := time.Now()
			_, err := client.PutObject(context.Background(), &oss.PutObjectRequest{Bucket: oss.Ptr("bench-state"), Key: oss.Ptr(fmt.Sprintf("bench/%d/%d", i, n)), Body: bytes.NewReader(content)})
			inCalls += float64(time.Since(began))
			calls++
			require.NoError(b, err)
		}
	}
	b.ReportMetric(100*(inEngine/steps)/(inCalls/calls), "%-of-a-bare-call/step")
	b.ReportMetric(steps/float64(b.N), "steps/op")
	b.ReportMetric(0, "ns/op")
}
