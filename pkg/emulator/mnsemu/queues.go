package mnsemu

import (
	"net/http"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

const maxListed = 1000

func (r *request) createQueue() (answer.Answer, *world.Error) {
	if v := r.query.Get("metaoverride"); v != "" && v != "false" {
		return answer.Answer{}, refuse(400, "InvalidQueryString", "The value of metaoverride is true or false.")
	}
	change, e := r.queueChange()
	if e != nil {
		return answer.Answer{}, e
	}
	created, err := r.world.CreateQueue(r.region, r.uid, r.queue, change)
	if err != nil {
		return answer.Answer{}, refused(err)
	}
	a := encode(http.StatusNoContent, nil)
	if created {
		a = encode(http.StatusCreated, nil)
	}
	a.Header.Set("Location", r.queueURL(r.queue))
	return a, nil
}

func (r *request) setQueueAttributes() (answer.Answer, *world.Error) {
	change, e := r.queueChange()
	if e != nil {
		return answer.Answer{}, e
	}
	if err := r.world.SetQueueAttributes(r.region, r.uid, r.queue, change); err != nil {
		return answer.Answer{}, refused(err)
	}
	return encode(http.StatusNoContent, nil), nil
}

func (r *request) queueChange() (world.QueueChange, *world.Error) {
	var q queueRequest
	if len(r.body) > 0 {
		if e := r.decode(&q, func() bool { return len(q.Extra) > 0 }); e != nil {
			return world.QueueChange{}, e
		}
	}
	return world.QueueChange{
		DelaySeconds: q.DelaySeconds, MaximumMessageSize: q.MaximumMessageSize,
		MessageRetentionPeriod: q.MessageRetentionPeriod, VisibilityTimeout: q.VisibilityTimeout,
		PollingWaitSeconds: q.PollingWaitSeconds, LoggingEnabled: q.LoggingEnabled,
	}, nil
}

func (r *request) getQueueAttributes() (answer.Answer, *world.Error) {
	stats := r.world.QueueStats
	if r.call.StaleRead() {
		stats = r.world.QueueStatsBefore
	}
	info, err := stats(r.region, r.uid, r.queue)
	if err != nil {
		return answer.Answer{}, refused(err)
	}
	q := attributes(info)
	q.XMLNS = namespace
	return encode(http.StatusOK, q), nil
}

func attributes(i world.QueueInfo) queueAnswer {
	q := queueAnswer{
		QueueName: i.Name, CreateTime: seconds(i.Created), LastModifyTime: seconds(i.Modified),
		DelaySeconds: &i.Attributes.DelaySeconds, MaximumMessageSize: &i.Attributes.MaximumMessageSize,
		MessageRetentionPeriod: &i.Attributes.MessageRetentionPeriod, VisibilityTimeout: &i.Attributes.VisibilityTimeout,
		PollingWaitSeconds: &i.Attributes.PollingWaitSeconds, LoggingEnabled: "False",
		ActiveMessages: &i.Active, InactiveMessages: &i.Inactive, DelayMessages: &i.Delayed,
	}
	if i.Attributes.LoggingEnabled {
		q.LoggingEnabled = "True"
	}
	if p := i.DeadLetter; p != (world.DeadLetterPolicy{}) {
		q.DeadLetter = &deadLetterAnswer{Enabled: p.Enabled, DeadLetterTargetQueue: p.Target, MaxReceiveCount: p.MaxReceiveCount}
	}
	return q
}

func (r *request) deleteQueue() (answer.Answer, *world.Error) {
	if err := r.world.DeleteQueue(r.region, r.uid, r.queue); err != nil {
		return answer.Answer{}, refused(err)
	}
	return encode(http.StatusNoContent, nil), nil
}

func (r *request) listQueue() (answer.Answer, *world.Error) {
	limit, e := number(r.Header.Get("X-Mns-Ret-Number"), "x-mns-ret-number", maxListed)
	if e != nil {
		return answer.Answer{}, e
	}
	if limit < 1 || limit > maxListed {
		return answer.Answer{}, refuse(400, "InvalidArgument", "The value of x-mns-ret-number should be between 1 and 1000.")
	}
	list, next := r.world.ListQueues(r.region, r.uid, r.Header.Get("X-Mns-Prefix"), r.Header.Get("X-Mns-Marker"), limit, r.call.StaleList())
	out := queuesAnswer{XMLNS: namespace, NextMarker: next}
	for _, info := range list {
		q := queueAnswer{}
		if r.Header.Get("X-Mns-With-Meta") == "true" {
			q = attributes(info)
		}
		q.QueueURL = r.queueURL(info.Name)
		out.Queues = append(out.Queues, q)
	}
	return encode(http.StatusOK, out), nil
}

func (r *request) queueURL(name string) string {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return scheme + r.Host + r.prefix + "/queues/" + name
}
