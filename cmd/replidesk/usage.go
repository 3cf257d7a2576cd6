package main

const usage = `Replidesk replicates OSS buckets from tickets and watches over them.

  replidesk run                      try everything: a local cloud, the example tickets, the result
  replidesk local                    keep a local cloud with the functions running
  replidesk plan FILE | -            what would be done for a ticket: calls, documents, risks; changes nothing
  replidesk submit FILE... | -       send tickets; - is standard input
  replidesk stop ID                  send a ticket that takes back what ticket ID made; the data stays
  replidesk cancel ID                the same for a ticket that is not watched yet; refused when it is
  replidesk approve FILE | -         print a ticket with your signature, for a desk that wants it approved
  replidesk discover                 list the rules of the account that no ticket manages; --adopt takes them under watch
  replidesk retry ID                 have a ticket look again now, or begin again when it was refused or has failed
  replidesk set-rtc ID on|off        turn replication time control of a watched pair on or off
  replidesk watch ID...              follow tickets until they are at rest
  replidesk status [ID...]           where tickets are; without ids, all that are open, watched, or failed with something left
  replidesk explain ID               where a ticket is, why, what it waits for, who has to act, what it has made
  replidesk history ID               every entry of a ticket's journal
  replidesk reasons [CODE...]        what the reason codes mean, and what to do
  replidesk schema                   the JSON Schema of a ticket
  replidesk bootstrap                what has to exist before the functions are deployed; --yes makes what is missing
  replidesk doctor                   whether all is well, from the settings to the sweep, and what to do where it is not
  replidesk teardown                 what of that would be taken away; --yes takes it away
  replidesk help                     this text

Example:

  replidesk local --listen 127.0.0.1:8080 --env-file out/local.env --speed 60 --examples
  replidesk submit --env-file out/local.env examples/tickets/01-whole-bucket.json
  replidesk watch  --env-file out/local.env CHG-1001

Every command but run and local takes
  --env-file FILE   use the desk that this file describes, as local writes it (or set REPLIDESK_ENV_FILE).
                    Without it the desk is that of the environment: REPLIDESK_ACCOUNT, REPLIDESK_REGION,
                    REPLIDESK_STATE_BUCKET and so on, with the keys ALIBABA_CLOUD_ACCESS_KEY_ID,
                    ALIBABA_CLOUD_ACCESS_KEY_SECRET and ALIBABA_CLOUD_SECURITY_TOKEN.
                    In tickets, plan, submit and approve fill in ${LOCAL_...} from it, and nothing else.
plan, submit, stop, cancel, retry, set-rtc, status, watch, explain, history, reasons, bootstrap,
doctor and teardown take
  --json            print JSON, for programs

local, run
  --functions DIR   the built functions: DIR/provision/main and so on (default dist)
  --speed N         divide the cloud's own delays by N (local: 1, run: 60)
  --pace N          divide the pauses of the functions between two looks by N (default: the speed)
  --tick D          how often progress sweeps the watched pairs (default: as s.yaml says, divided by the pace)
local
  --listen ADDR     loopback address and port (default 127.0.0.1:0, any free port)
  --env-file FILE   written when everything is ready, readable by you alone (default out/local.env)
  --log FILE        what the functions write (default: standard error)
  --examples        make the buckets of the example tickets, with objects in them
run
  --tickets DIR     the example tickets (default examples/tickets)
  --out DIR         where summary.json and functions.log go (default out/run)
  --limit D         give up after this time (default 5m)
bootstrap
  --yes             make what is missing; without it nothing is changed
  --repair          with --yes: also put right what differs
  --without-grants  the role of provision may change nothing in RAM; roles are made beforehand
  --destination UID show the role in this account of the desk file, or make it, with keys of that account
  --buckets PATTERN of the destination's buckets that the role may touch (default *)
  --planner ARN     who may also assume that role, to make plans; may be given again
teardown
  --yes             take it away; without it nothing is changed
  --delete-journal BUCKET   delete the state bucket of this name, and all that is known of any ticket, for ever
stop, cancel, retry, set-rtc
  --id ID           of the ticket that is sent (default <command>-<ID>; with a number behind it when that one is used up)
  --requester NAME  who asks
approve
  --key FILE        your Ed25519 private key, as openssl genpkey -algorithm ed25519 writes it
  --by NAME         your name in the desk file
discover
  --adopt           send a ticket for each rule that can be adopted; the second time nothing is sent twice
  --requester NAME  who asks
watch
  --patience D      how long a ticket may stay unknown (default 1m)
history
  --verify          check the chain of the entries
  --anchor N:HASH   and that entry N still has this hash; may be given again

Results go to standard output, everything else to standard error.
Exit status: 0 done, 1 failed, 2 used wrongly. watch fails when a ticket ends otherwise than watched (a stop:
otherwise than completed), plan when it would be refused,
doctor when anything is wrong.
`
