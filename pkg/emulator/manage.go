package emulator

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// managementPath is where the management of the cloud answers, when it is on. No
// bucket can have that name.
const managementPath = "/_cloud/"

// Manage turns the management handler on for those who send the token, as
// "Authorization: Bearer <token>". It speaks JSON:
//
//	GET    /_cloud/calls?from=0                               the log of calls, and where to go on
//	GET    /_cloud/queues                                     all queues with their counts
//	PUT    /_cloud/queues/{region}/{uid}/{name}/dead-letter   {"enabled", "target", "maxReceiveCount"}
//	GET    /_cloud/pairs/{source}/{destination}               what replication between two buckets has done
//	PUT    /_cloud/pairs/{source}/{destination}               {"paused": true} or {"delay": "5s"} a copy, or both
//	GET    /_cloud/faults                                     the faults ordered here and not taken back
//	POST   /_cloud/faults                                     order one; see [world.Fault] for the fields
//	DELETE /_cloud/faults/{id}                                take it back
//
// Manage is called before the cloud serves; an empty token leaves it off.
func (c *Cloud) Manage(token string) {
	if token == "" {
		return
	}
	m := &manager{world: c.World, faults: map[int]ordered{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+managementPath+"calls", m.calls)
	mux.HandleFunc("GET "+managementPath+"queues", m.queues)
	mux.HandleFunc("PUT "+managementPath+"queues/{region}/{uid}/{name}/dead-letter", m.deadLetter)
	mux.HandleFunc("GET "+managementPath+"pairs/{source}/{destination}", m.pair)
	mux.HandleFunc("PUT "+managementPath+"pairs/{source}/{destination}", m.hinderPair)
	mux.HandleFunc("GET "+managementPath+"faults", m.listFaults)
	mux.HandleFunc("POST "+managementPath+"faults", m.orderFault)
	mux.HandleFunc("DELETE "+managementPath+"faults/{id}", m.removeFault)
	c.management = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		sent, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !bearer || subtle.ConstantTimeCompare([]byte(sent), []byte(token)) != 1 {
			fail(rw, http.StatusForbidden, "the token does not match")
			return
		}
		mux.ServeHTTP(rw, r)
	})
}

type manager struct {
	world *world.World

	mu     sync.Mutex
	next   int
	faults map[int]ordered
}

type ordered struct {
	order  faultOrder
	remove func()
}

type callLine struct {
	At        time.Time `json:"at"`
	Service   string    `json:"service"`
	Action    string    `json:"action"`
	Resource  string    `json:"resource,omitempty"`
	Caller    string    `json:"caller,omitempty"`
	Region    string    `json:"region,omitempty"`
	Status    int       `json:"status"`
	Code      string    `json:"code,omitempty"`
	RequestID string    `json:"requestId"`
	Fault     string    `json:"fault,omitempty"`
	Write     bool      `json:"write"`
}

func (m *manager) calls(rw http.ResponseWriter, r *http.Request) {
	from := 0
	if s := r.URL.Query().Get("from"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			fail(rw, http.StatusBadRequest, "from is not the number of a call")
			return
		}
		from = n
	}
	calls, next := m.world.Calls(from)
	lines := make([]callLine, 0, len(calls))
	for _, c := range calls {
		lines = append(lines, callLine{
			At: c.At, Service: c.Service, Action: c.Action, Resource: c.Resource, Caller: c.Caller, Region: c.Region,
			Status: c.Status, Code: c.Code, RequestID: c.RequestID, Fault: string(c.Fault), Write: c.Write,
		})
	}
	reply(rw, http.StatusOK, map[string]any{"calls": lines, "next": next})
}

type queueLine struct {
	Region     string `json:"region"`
	UID        string `json:"uid"`
	Name       string `json:"name"`
	Active     int    `json:"active"`
	Inactive   int    `json:"inactive"`
	Delayed    int    `json:"delayed"`
	DeadLetter string `json:"deadLetter,omitempty"` // name of the queue that dead letters go to
}

func (m *manager) queues(rw http.ResponseWriter, _ *http.Request) {
	list, _ := m.world.ListQueues("", "", "", "", 0, 0)
	lines := make([]queueLine, 0, len(list))
	for _, q := range list {
		l := queueLine{Region: q.Region, UID: q.UID, Name: q.Name, Active: q.Active, Inactive: q.Inactive, Delayed: q.Delayed}
		if q.DeadLetter.Enabled {
			l.DeadLetter = q.DeadLetter.Target
		}
		lines = append(lines, l)
	}
	reply(rw, http.StatusOK, map[string]any{"queues": lines})
}

func (m *manager) deadLetter(rw http.ResponseWriter, r *http.Request) {
	var p struct {
		Enabled         bool   `json:"enabled"`
		Target          string `json:"target"`
		MaxReceiveCount int    `json:"maxReceiveCount"`
	}
	if !read(rw, r, &p) {
		return
	}
	err := m.world.SetDeadLetterPolicy(r.PathValue("region"), r.PathValue("uid"), r.PathValue("name"),
		world.DeadLetterPolicy{Enabled: p.Enabled, Target: p.Target, MaxReceiveCount: p.MaxReceiveCount})
	if err != nil {
		refuse(rw, err)
		return
	}
	reply(rw, http.StatusOK, struct{}{})
}

func (m *manager) pair(rw http.ResponseWriter, r *http.Request) {
	s := m.world.ReplicationStats(r.PathValue("source"), r.PathValue("destination"))
	reply(rw, http.StatusOK, map[string]int64{
		"copied": int64(s.Copied), "bytes": s.Bytes, "parts": int64(s.Parts), "removed": int64(s.Removed),
		"skipped": int64(s.Skipped), "refused": int64(s.Refused), "pending": int64(s.Pending),
	})
}

// hinderPair pauses or slows replication; what is not given stays as it is.
func (m *manager) hinderPair(rw http.ResponseWriter, r *http.Request) {
	var o struct {
		Paused *bool   `json:"paused"`
		Delay  *string `json:"delay"` // "0s" takes it back
	}
	if !read(rw, r, &o) {
		return
	}
	source, destination := r.PathValue("source"), r.PathValue("destination")
	if o.Delay != nil {
		d, err := time.ParseDuration(*o.Delay)
		if err != nil || d < 0 {
			fail(rw, http.StatusBadRequest, notADuration)
			return
		}
		m.world.ThrottlePair(source, destination, d)
	}
	if o.Paused != nil {
		m.world.PausePair(source, destination, *o.Paused)
	}
	reply(rw, http.StatusOK, struct{}{})
}

const notADuration = `delay is not a duration such as "2s"`

type faultOrder struct {
	Service  string `json:"service,omitempty"`
	Action   string `json:"action,omitempty"`
	Resource string `json:"resource,omitempty"`
	Kind     string `json:"kind"`
	Skip     int    `json:"skip,omitempty"`
	Times    int    `json:"times,omitempty"`
	Delay    string `json:"delay,omitempty"` // such as "2s"
	Status   int    `json:"status,omitempty"`
	Code     string `json:"code,omitempty"`
}

var faultKinds = []world.FaultKind{
	world.FaultRefuse, world.FaultThrottle, world.FaultLoseReply, world.FaultSlow,
	world.FaultStaleRead, world.FaultStaleList, world.FaultHang,
}

func (o faultOrder) fault() (world.Fault, error) {
	f := world.Fault{
		Service: o.Service, Action: o.Action, Resource: o.Resource, Kind: world.FaultKind(o.Kind),
		Skip: o.Skip, Times: o.Times, Status: o.Status, Code: o.Code,
	}
	if !slices.Contains(faultKinds, f.Kind) {
		return f, errors.New("kind is not one of refuse, throttle, lose-reply, slow, stale-read, stale-list, hang")
	}
	if f.Kind == world.FaultRefuse && (f.Status < 400 || f.Status > 599 || f.Code == "") {
		return f, errors.New("a refusal needs a status from 400 to 599 and a code")
	}
	if _, err := path.Match(o.Resource, ""); err != nil {
		return f, errors.New("resource is not a pattern")
	}
	if o.Skip < 0 || o.Times < 0 {
		return f, errors.New("skip and times are not negative")
	}
	if o.Delay != "" {
		d, err := time.ParseDuration(o.Delay)
		if err != nil || d < 0 {
			return f, errors.New(notADuration)
		}
		f.Delay = d
	}
	if f.Delay == 0 && (f.Kind == world.FaultSlow || f.Kind == world.FaultStaleList) {
		return f, errors.New(o.Kind + " needs a delay")
	}
	return f, nil
}

func (m *manager) orderFault(rw http.ResponseWriter, r *http.Request) {
	var o faultOrder
	if !read(rw, r, &o) {
		return
	}
	f, err := o.fault()
	if err != nil {
		fail(rw, http.StatusBadRequest, err.Error())
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next++
	m.faults[m.next] = ordered{o, m.world.Break(f)}
	reply(rw, http.StatusCreated, map[string]int{"id": m.next})
}

func (m *manager) listFaults(rw http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make(map[int]faultOrder, len(m.faults))
	for id, f := range m.faults {
		list[id] = f.order
	}
	reply(rw, http.StatusOK, map[string]any{"faults": list})
}

func (m *manager) removeFault(rw http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.faults[id]
	if err != nil || !ok {
		fail(rw, http.StatusNotFound, "no such fault")
		return
	}
	f.remove()
	delete(m.faults, id)
	reply(rw, http.StatusOK, struct{}{})
}

// read decodes the body, strictly, or answers what is wrong with it.
func read(rw http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(http.MaxBytesReader(rw, r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		fail(rw, http.StatusBadRequest, err.Error())
		return false
	}
	return true
}

func refuse(rw http.ResponseWriter, err error) {
	var e *world.Error
	if errors.As(err, &e) {
		fail(rw, e.Status, e.Code+": "+e.Message)
		return
	}
	fail(rw, http.StatusInternalServerError, err.Error())
}

func fail(rw http.ResponseWriter, status int, text string) {
	reply(rw, status, map[string]string{"error": text})
}

func reply(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(v) // a client that went away does not matter
}
