package serverless_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/serverless"
)

// FuzzRead looks that no file is too odd: each is read, or refused with a place.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"good.yaml", "semantics.yaml"} {
		b, err := os.ReadFile("testdata/" + name)
		require.NoError(f, err)
		f.Add(string(b))
	}
	for _, text := range []string{
		"", "7", "[]", "vars: []", "vars: {a: [b], c: {}}", "vars: {a: ${vars.a}}", "template: 7", "template: {a: 7}",
		"resources: {r: 7}", "resources: {r: {extend: 7, props: 8}}", "resources: {r: {extend: {name: [a]}, props: {}}}",
		"template: {a: 7}\nresources: {r: {extend: {name: a}, props: {}}}", "a: &a [*a]", "{[a]: b}", "? {a: b}\n: c", "<<: {a: b}", "a: !b c",
		"resources: {r: {props: {triggers: [{triggerType: [timer], triggerConfig: 7}]}}}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := serverless.Read([]byte(text), hangzhou)
		require.Equal(t, err == nil, file != nil)
		if err == nil {
			return
		}
		var p serverless.Problem
		require.True(t, errors.As(err, &p))
		require.Positive(t, p.Line)
		for line := range strings.SplitSeq(err.Error(), "\n") {
			require.NotEmpty(t, line)
		}
	})
}
