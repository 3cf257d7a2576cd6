package config_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
)

func env(pairs ...string) func(string) string {
	m := map[string]string{"REPLIDESK_ACCOUNT": "1234567890123456", "REPLIDESK_REGION": "cn-hangzhou", "REPLIDESK_STATE_BUCKET": "desk-state"}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(k string) string { return m[k] }
}

func TestReadFillsInDefaults(t *testing.T) {
	c, err := config.Read(env("FC_INSTANCE_ID", "i-1"))
	require.NoError(t, err)
	require.Equal(t, config.Config{
		Account: "1234567890123456", Region: "cn-hangzhou", StateBucket: "desk-state", QueuePrefix: "replidesk",
		MaxPrefixes: 10, Shards: 1, Pace: 1, LogLevel: slog.LevelInfo, Instance: "i-1",
	}, c)
	require.Equal(t, "replidesk-wake-verify", c.QueueName(config.QueueWakeVerify))
}

func TestReadReportsEverythingAtOnce(t *testing.T) {
	_, err := config.Read(func(k string) string {
		return map[string]string{"REPLIDESK_REGION": "oss cn", "REPLIDESK_PACE": "0", "REPLIDESK_MAX_PREFIXES": "101"}[k]
	})
	for _, name := range []string{"REPLIDESK_ACCOUNT is not set", "REPLIDESK_STATE_BUCKET is not set", "REPLIDESK_REGION", "REPLIDESK_PACE", "REPLIDESK_MAX_PREFIXES"} {
		require.ErrorContains(t, err, name)
	}
}

func TestReadRefusesWhatCannotBe(t *testing.T) {
	for name, value := range map[string]string{
		"REPLIDESK_ACCOUNT": "me", "REPLIDESK_STATE_BUCKET": "A_b", "REPLIDESK_QUEUE_PREFIX": "a b", "REPLIDESK_MAX_PREFIXES": "ten",
		"REPLIDESK_SHARDS": "0", "REPLIDESK_PACE": "NaN", "REPLIDESK_INTERNAL": "maybe", "REPLIDESK_LOG_LEVEL": "loud", "REPLIDESK_ENDPOINT": "127.0.0.1:1",
	} {
		_, err := config.Read(env(name, value))
		require.ErrorContains(t, err, name)
	}
}

func TestEverySettingHasAMeaning(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range config.Settings() {
		require.NotEmpty(t, s.Meaning)
		require.False(t, seen[s.Name], "%s is listed twice", s.Name)
		seen[s.Name] = true
	}
}
