package trigger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/trigger"
)

func TestMessages(t *testing.T) {
	envelope := `{"id":"EB0A","source":"MNS-f-t","specversion":"1.0","type":"mns:Queue:SendMessage","datacontenttype":"application/json; charset=utf-8","subject":"acs:mns:cn-hangzhou:1:queues/q","time":"2022-07-28T17:15:22.396Z","data":{"requestId":"r","messageId":"m1","messageBody":"{\"id\":\"CHG-1\"}"}}`
	one := trigger.Message{ID: "m1", Body: []byte(`{"id":"CHG-1"}`)}
	for name, c := range map[string]struct {
		event string
		want  []trigger.Message
	}{
		"a single object as event mode sends it":             {envelope, []trigger.Message{one}},
		"an array of one as the event stream sends it":       {"[" + envelope + "]", []trigger.Message{one}},
		"an array of several":                                {" [" + envelope + ",\n" + envelope + "]\n", []trigger.Message{one, one}},
		"an array of objects written as strings":             {`["{\"data\":{\"messageId\":\"m1\",\"messageBody\":\"{\\\"id\\\":\\\"CHG-1\\\"}\"}}"]`, []trigger.Message{one}},
		"raw data without an envelope":                       {`[{"requestId":"r","messageId":"m1","messageBody":"{\"id\":\"CHG-1\"}"}]`, []trigger.Message{one}},
		"a body in base64 stays in base64":                   {`[{"data":{"messageId":"m1","messageBody":"eyJpZCI6IkNIRy0xIn0="}}]`, []trigger.Message{{ID: "m1", Body: []byte("eyJpZCI6IkNIRy0xIn0=")}}},
		"an empty body is a message":                         {`[{"data":{"messageId":"m1","messageBody":""}}]`, []trigger.Message{{ID: "m1", Body: []byte{}}}},
		"a ticket without any envelope":                      {`{"id":"CHG-1"}`, []trigger.Message{{Body: []byte(`{"id":"CHG-1"}`)}}},
		"what is no JSON is handed on as it is":              {`hello`, []trigger.Message{{Body: []byte(`hello`)}}},
		"a broken array is handed on as it is":               {`[{"data":`, []trigger.Message{{Body: []byte(`[{"data":`)}}},
		"one odd element does not take the others with it":   {`[42,` + envelope + `]`, []trigger.Message{{Body: []byte(`42`)}, one}},
		"an element whose data is no object is handed on":    {`[{"data":"x"}]`, []trigger.Message{{Body: []byte(`{"data":"x"}`)}}},
		"an empty array has no messages and is not an error": {`[]`, []trigger.Message{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := trigger.Messages([]byte(c.event))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	t.Run("an empty event is an error", func(t *testing.T) {
		_, err := trigger.Messages([]byte(" \n"))
		require.EqualError(t, err, "the event is empty")
	})
}
