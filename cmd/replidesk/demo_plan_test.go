package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

const examples = "../../examples/tickets"

// exampleFiles returns the files of all example tickets.
func exampleFiles(t *testing.T) (files []string) {
	t.Helper()
	for _, pattern := range []string{"*.json", laterIn + "/*.json"} {
		found, err := filepath.Glob(filepath.Join(examples, pattern))
		require.NoError(t, err)
		files = append(files, found...)
	}
	return files
}

func exampleTickets(t *testing.T) map[string]replication.Request {
	t.Helper()
	all := map[string]replication.Request{}
	files := exampleFiles(t)
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(t, err)
		body, err = expand(body, func(name string) string {
			return map[string]string{"LOCAL_ACCOUNT_A_UID": "1234567890123456", "LOCAL_ACCOUNT_B_UID": "2234567890123456", dueByVariable: dueBy(time.Now()), keyVariable: "3542abdd-5821-4fb5-a425-90adca2c0d61"}[name]
		})
		require.NoError(t, err, file)
		r, problems := replication.Parse(body)
		require.Empty(t, problems, file)
		all[r.ID] = r
	}
	require.Len(t, all, len(files), "no two have the same id")
	return all
}

func TestThePlanIsTrueToTheExampleTickets(t *testing.T) {
	tickets := exampleTickets(t)
	require.Len(t, tickets, len(plans)+len(afterwards))
	for _, p := range afterwards {
		require.Contains(t, []string{"CHG-1001", "CHG-1002", "CHG-1005"}, tickets[p.id].Target, p.id)
	}
	slow := 0
	for _, p := range plans {
		r, ok := tickets[p.id]
		require.True(t, ok, p.id)
		if p.slow {
			slow++
			require.NotNil(t, r.Historical.DueBy, "the slow pair has a date to miss")
		}
		if p.source.bucket == "" {
			require.Equal(t, replication.PhaseRejected, p.phase)
			continue
		}
		require.Equal(t, place{r.Source.Region, r.Source.Bucket}, p.source, p.id)
		require.Equal(t, place{r.Destination.Region, r.Destination.Bucket}, p.dest, p.id)
		require.Equal(t, r.Across(), p.across, p.id)
		require.Equal(t, r.Objects.Prefixes, p.prefixes, p.id)
		tags := ""
		if r.Objects.Tags != nil {
			for _, tag := range r.Objects.Tags.Set {
				tags += "&" + tag.Key + "=" + tag.Value
			}
		}
		require.Equal(t, strings.TrimPrefix(tags, "&"), p.tags, p.id)
		require.Equal(t, *r.Historical.Replicate, p.historical, p.id)
		require.Equal(t, r.ReplicateDeletes, p.deletes, p.id)
		require.Equal(t, r.Action == replication.ActionAdopt, p.byHand, p.id)
		require.Equal(t, r.KMSKey() != "", p.kms, p.id)
		require.Equal(t, r.Role.Name, p.role, p.id)
		require.Equal(t, r.Verify.Canary, p.reason == replication.ReasonVerified, p.id)
	}
	require.Equal(t, 1, slow)
}

func TestEveryExampleIsDescribed(t *testing.T) {
	readme, err := os.ReadFile("../../examples/README.md")
	require.NoError(t, err)
	for _, f := range exampleFiles(t) {
		name, err := filepath.Rel(examples, f)
		require.NoError(t, err)
		require.True(t, bytes.Contains(readme, []byte("`"+filepath.ToSlash(name)+"`")), f)
	}
}
