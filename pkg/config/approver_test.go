package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
)

func TestOneKeyIsOneApproverHoweverItIsWritten(t *testing.T) {
	_, err := config.ParseDesk([]byte(`{"approvers":[
		{"name":"ana","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
		{"name":"ben","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB="}]}`))
	require.ErrorContains(t, err, "approvers[1].key: the key is there twice")
}
