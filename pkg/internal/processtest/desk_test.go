package processtest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	osscredentials "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/localcloud"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// binaries holds the functions, built once for all tests.
var binaries string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "replidesk-functions-")
	if err == nil {
		err = localcloud.Build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the functions cannot be built:", err)
		os.Exit(1)
	}
	binaries = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// A tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.TrimSpace(string(p)))
	return len(p), nil
}

// about returns the last lines that mention s.
func (l *tail) about(s string, n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for _, line := range l.lines {
		if strings.Contains(line, s) {
			found = append(found, line)
		}
	}
	return strings.Join(found[max(0, len(found)-n):], "\n")
}

// A desk is a local cloud with the functions on it as processes.
type desk struct {
	t     testing.TB
	cloud *localcloud.Cloud
	who   *wiring.Desk // a person with all rights
	log   *tail
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	return startDesk(t, localcloud.Options{})
}

// startDesk is newDesk with other options than those about time.
func startDesk(t testing.TB, o localcloud.Options) *desk {
	t.Helper()
	d := &desk{t: t, log: &tail{}}
	o.FunctionsDir, o.Speed, o.Pace, o.Tick, o.Log = binaries, 600, 200, time.Second, d.log
	var err error
	d.cloud, err = localcloud.Start(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(d.cloud.Close)
	creds := &wiring.Credentials{}
	creds.Set(d.cloud.A.User.ID, d.cloud.A.User.Secret, "")
	d.who = wiring.New(d.cloud.Config, creds, nil, slog.New(slog.NewTextHandler(io.Discard, nil)))
	return d
}

func (d *desk) oss(region string) *oss.Client {
	return oss.NewClient(oss.LoadDefaultConfig().WithRegion(region).WithEndpoint(d.cloud.URL).
		WithHttpClient(&http.Client{Timeout: 10 * time.Second}).
		WithCredentialsProvider(osscredentials.NewStaticCredentialsProvider(d.cloud.A.User.ID, d.cloud.A.User.Secret)))
}

func (d *desk) pair(src, dst string) {
	d.t.Helper()
	for bucket, region := range map[string]string{src: "cn-hangzhou", dst: "cn-shanghai"} {
		_, err := d.oss(region).PutBucket(context.Background(), &oss.PutBucketRequest{Bucket: oss.Ptr(bucket)})
		require.NoError(d.t, err)
	}
	for i := range 5 {
		_, err := d.oss("cn-hangzhou").PutObject(context.Background(), &oss.PutObjectRequest{Bucket: oss.Ptr(src), Key: oss.Ptr(fmt.Sprintf("image/%d", i)), Body: strings.NewReader("x")})
		require.NoError(d.t, err)
	}
}

func (d *desk) submit(id, src, dst string) {
	d.t.Helper()
	body := fmt.Sprintf(`{"specVersion":"1","id":%q,"action":"replicate","source":{"account":%q,"region":"cn-hangzhou","bucket":%q},"destination":{"account":%q,"region":"cn-shanghai","bucket":%q},"objects":{"prefixes":["image/"]},"historical":{"replicate":true}}`,
		id, d.cloud.A.UID, src, d.cloud.A.UID, dst)
	require.NoError(d.t, d.who.Bus.Send(context.Background(), d.who.Config.QueueName(config.QueueRequests), []byte(body), 0))
}

func (d *desk) job(id string) (*replication.Job, uint64) {
	d.t.Helper()
	s, err := d.who.Journal.Load(context.Background(), journal.Job(id))
	require.NoError(d.t, err)
	if !s.Exists() {
		return nil, 0
	}
	j, err := replication.Decode(s.Body)
	require.NoError(d.t, err)
	return j, s.Seq
}

// await waits until the job is at rest.
func (d *desk) await(id string, limit time.Duration) *replication.Job {
	d.t.Helper()
	var j *replication.Job
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if j, _ = d.job(id); j != nil && j.AtRest() {
			return j
		}
	}
	require.NotNil(d.t, j, "job %s never began; log:\n%s", id, d.log.about("", 30))
	d.t.Fatalf("job %s is %s (%s: %s) after %s; log:\n%s", id, j.Phase, j.Reason, j.Message, limit, d.log.about(id, 40))
	return nil
}

// requireOneOfEverything checks what has to hold whatever was killed: at most one
// rule a pair, and of each thing that the log of calls shows to have been made, one.
func (d *desk) requireOneOfEverything(pairs map[string][2]string) {
	d.t.Helper()
	made := map[string]int{}
	all, _ := d.cloud.World().Calls(0)
	for _, c := range all {
		if c.Status < 300 && (c.Action == "CreateRole" || c.Action == "CreatePolicy" || c.Action == "PutBucketReplication") {
			made[c.Action+" "+c.Resource]++
		}
	}
	for what, n := range made {
		require.Equal(d.t, 1, n, "%s was made %d times", what, n)
	}
	for id, pair := range pairs {
		rules, e := d.cloud.World().Replication(pair[0], false)
		if e == nil {
			require.LessOrEqual(d.t, len(rules), 1, "pair of %s", id)
		}
		require.Zero(d.t, d.cloud.World().ReplicationStats(pair[0], pair[1]).OutOfScope)
		report, err := d.who.Journal.Verify(context.Background(), journal.Job(id))
		require.NoError(d.t, err)
		require.Empty(d.t, report.Problems, "the chain of %s holds", id)
	}
}
