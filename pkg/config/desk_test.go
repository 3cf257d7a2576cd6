package config_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
)

func TestADeskFileNamesOtherAccounts(t *testing.T) {
	d, err := config.ParseDesk([]byte(`{"accounts":[{"uid":"2000000000000002","role":"acs:ram::2000000000000002:role/replidesk-destination"},{"uid":"3000000000000003"}]}`))
	require.NoError(t, err)
	require.Equal(t, config.Desk{Accounts: []config.Account{
		{UID: "2000000000000002", Role: "acs:ram::2000000000000002:role/replidesk-destination"}, {UID: "3000000000000003"},
	}}, d)
}

func key(c byte) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{c}, 32)) }

func TestADeskFileIsReadStrictly(t *testing.T) {
	for body, want := range map[string][]string{
		``:                         {"has to be a JSON object"},
		`[]`:                       {"has to be a JSON object"},
		`{"accounts":[`:            {"not JSON: unexpected EOF"},
		`{"accounts":[],}`:         {"not JSON"},
		`{"accounts":[]} {}`:       {"something after its end"},
		`{"accounts":null}`:        {"accounts is null"},
		`{"accounts":[null]}`:      {"accounts[0] is null"},
		`{"accounts":{}}`:          {"accounts is a JSON object"},
		`{"accounts":[{"uid":3}]}`: {"accounts.uid is a JSON number"},
		`{"Accounts":[],"account":{"a":{"b":[1]}}}`:                       {"there is no field Accounts", "there is no field account"},
		`{"accounts":[{"uid":"10001","uid":"10002","rôle":""}]}`:          {"accounts[0].uid is there twice", "there is no field accounts[0].rôle"},
		`{"accounts":[{"uid":"me"},{"uid":"10001"},{"uid":"10001"}]}`:     {`accounts[0].uid: "me" is not the UID`, "accounts[2].uid: 10001 is there twice"},
		`{"accounts":[{"uid":"10001","role":"replidesk"}]}`:               {`accounts[0].role: "replidesk" is not the ARN of a role of account 10001`},
		`{"accounts":[{"uid":"10001","role":"acs:ram::10002:role/r"}]}`:   {"is not the ARN of a role of account 10001"},
		`{"accounts":[{"uid":"10001","role":"acs:ram::10001:role/a b"}]}`: {"is not the ARN of a role of account 10001"},
		`{"pairs":[{"source":{"account":"*","region":"cn hangzhou"},"destination":{"account":"me","region":"*","bucket":"a_b"}}]}`: {
			`pairs[0].source.region: "cn hangzhou" does not match a region`, `pairs[0].source.bucket: "" does not match a bucket; "*" alone matches any`,
			`pairs[0].destination.account: "me" does not match the UID of an account`, `pairs[0].destination.bucket: "a_b"`},
		`{"residency":[{"account":"*","bucket":"*","regions":[]},{"account":"*","bucket":"*","regions":["cn-*","?"]}]}`: {
			"residency[0].regions: there is no region", `residency[1].regions[1]: "?" does not match a region`},
		`{"approvers":[{"name":"Ana Li","key":"` + key('a') + `"},{"name":"anali ","key":"` + key('b') + `"},{"name":"","key":"` + key('a') + `"},{"name":"eve","key":"QUJD"}]}`: {
			"approvers[1].name: anali  is there twice", "approvers[2].name", "approvers[2].key: the key is there twice", `approvers[3].key: "QUJD" is not an Ed25519 public key`},
		`{"caps":{"rulesPerHour":0,"rulesPerAccount":-1,"rules":1},"observeonly":true}`: {"there is no field caps.rules", "there is no field observeonly"},
		`{"caps":{"rulesPerHour":0,"rulesPerAccount":5001}}`:                            {"caps.rulesPerHour: 0 is not a number from 1 to 5000", "caps.rulesPerAccount: 5001"},
		`{"observeOnly":"yes"}`: {"observeOnly is a JSON string"},
	} {
		_, err := config.ParseDesk([]byte(body))
		require.Error(t, err, body)
		for _, w := range want {
			require.ErrorContains(t, err, w, body)
		}
	}
}

func TestTheDeskFileIsReadOnceAtTheStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "desk.json")
	write := func(body string) { require.NoError(t, os.WriteFile(file, []byte(body), 0o600)) }
	write("\xef\xbb\xbf" + `{"accounts":[{"uid":"2000000000000002"}]}`)
	c, err := config.Read(env("REPLIDESK_DESK", file))
	require.NoError(t, err)
	require.Equal(t, []config.Account{{UID: "2000000000000002"}}, c.Desk.Accounts)

	write(`{"accounts":[{"uid":"1234567890123456"}]}`)
	_, err = config.Read(env("REPLIDESK_DESK", file))
	require.ErrorContains(t, err, "REPLIDESK_DESK: accounts[0]: 1234567890123456 is the account that the functions work in")

	write(`{"accounts":[{"uid":"x"}],"acounts":[]}`)
	_, err = config.Read(env("REPLIDESK_DESK", file, "REPLIDESK_SHARDS", "none"))
	require.ErrorContains(t, err, "REPLIDESK_SHARDS")
	require.ErrorContains(t, err, file+": there is no field acounts")
}

func TestADeskFileLiesBesideTheBinary(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	_, err = config.Read(env("REPLIDESK_DESK", "no-such-desk.json"))
	require.ErrorContains(t, err, filepath.Join(filepath.Dir(exe), "no-such-desk.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestTheExampleOfADeskFileIsInOrder(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "deploy", "desk.example.json"))
	require.NoError(t, err)
	d, err := config.ParseDesk(b)
	require.NoError(t, err)
	require.NotEmpty(t, d.Accounts)
	require.NotEmpty(t, d.Pairs)
	require.NotEmpty(t, d.Residency)
	require.NotEmpty(t, d.Approvers)
	require.NotNil(t, d.Caps.RulesPerHour)
	require.NotNil(t, d.Caps.RulesPerAccount)
	require.False(t, d.ObserveOnly)
}
