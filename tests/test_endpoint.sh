#!/usr/bin/env bash
# Task names and descriptions written by an LLM, against a server on the loopback that fails in every way a real one does.
# usage: test_endpoint.sh BINARY
set -euo pipefail
finerouter=$(realpath "$1")
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill $server 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
export OMP_WAIT_POLICY=passive NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
export FINEROUTER_LLM_KEY=sk-secret-4711
mkdir server

# Takes one word a request from server/script: a status, garbage, hang, empty, long, thought; ok when there is none. Keeps every request.
cat >server/server.py <<'P'
import hashlib, http.server, json, os, threading, time
def next_word():
    words = open("server/script").read().split()
    open("server/script", "w").write(" ".join(words[1:]))
    return words[0] if words else "ok"
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with open("server/requests", "a") as log:
            log.write(json.dumps({"path": self.path, "key": self.headers["Authorization"], "body": body}) + "\n")
        word, name = next_word(), "Task name " + hashlib.sha256(body.encode()).hexdigest()[:8]
        status, data = 200, None
        if word.isdigit():
            status, data = int(word), b'{"error": "no, not with\nsk-secret-4711"}'
        elif word == "hang":
            time.sleep(6)
        text = {"empty": " \n", "long": "\u00e4" * 500, "thought": "<think>hm\nhm</think>\n\n \"" + name + ",\n\tthought.\"\n"}.get(word, name)
        if data is None:
            data = b"<html>" if word == "garbage" else json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("server/port.new", "w").write(str(server.server_port))
os.rename("server/port.new", "server/port")
threading.Timer(120, lambda: os._exit(0)).start()
server.serve_forever()
P
: >server/script
: >server/requests
python3 server/server.py &
server=$!
for _ in $(seq 100); do [ -e server/port ] || sleep 0.1; done
url=http://127.0.0.1:$(cat server/port)/v1/chat/completions

fail() { echo "FAIL: $*"; exit 1; }
asked() { wc -l <server/requests; }

cat >tiny.yaml <<'Y'
threads: 1
synth: {prompts: 600, models: 4, tasks: 6}
encoder: {init: random, layers: 1, hidden: 32, heads: 2, intermediate: 64, vocabulary: 1000, max_tokens: 64, train: frozen}
discover: {resolution: 4, rounds: 1, weight: cosine}
classifier: {epochs: 3}
qe: {epochs: 3, task_epochs: 2}
eval: {routers: [best_single, full], bootstrap: 0}
report: {html: false}
Y
run() { # OUT MODEL [ARGUMENTS]
    local out=$1 model=$2
    shift 2
    "$finerouter" run tiny.yaml --out "runs/$out" --quiet --set llm.url="$url" --set llm.model="$model" "$@" >/dev/null 2>err || { cat err; fail "$out: exit $?"; }
}
# names OUT: one a line
names() { python3 -c 'import json, sys; [print(c["name"]) for c in json.load(open(sys.argv[1]))["tasks"]]' "runs/$1/cards.json"; }
reused() { # OUT STAGE...
    python3 - "$@" <<'P' || fail "$1: stages were computed again"
import json, sys
seconds = json.load(open("runs/%s/metrics.json" % sys.argv[1]))["seconds"]
for stage in sys.argv[2:]:
    assert seconds[stage] == 0, (stage, seconds)
P
}

"$finerouter" run tiny.yaml --out runs/plain --quiet >/dev/null
names plain >plain
tasks=$(wc -l <plain)
[ "$tasks" -ge 4 ] || fail "$tasks tasks, the test wants 4"
[ "$(asked)" = 0 ] || fail "asked without llm.url"

# Busy, broken, then answers of several kinds: every task is named, and nothing but the classifier's work is done again.
echo "429 503 ok thought long" >server/script
run named good
names named >named
[ "$(grep -c '^Task name ' named)" = $((tasks - 1)) ] || { cat named; fail "not every task is named"; }
grep -q '^Task name [0-9a-f]\{8\}, thought.$' named || { cat named; fail "an answer was not cleaned"; }
grep -q "^\(ä\)\{200\}$" named || fail "a long answer was not cut"
[ ! -s err ] || { cat err; fail "warnings"; }
[ "$(asked)" = $((tasks + 2)) ] || fail "$(asked) requests for $tasks tasks, want 2 more"
grep -q name_embedding runs/named/tasks.h5 || fail "no name_embedding in tasks.h5"
! grep -q name_embedding runs/plain/tasks.h5 || fail "name_embedding without names"
reused named embed discover phase1
python3 - <<'P'
import json
assert json.load(open("runs/named/metrics.json"))["seconds"]["classifier"] > 0, "the classifier does not start at the names"
for line in open("server/requests"):
    request = json.loads(line)
    body = json.loads(request["body"])
    assert request["path"] == "/v1/chat/completions", request
    assert request["key"] == "Bearer sk-secret-4711", request["key"]
    assert body["model"] == "good" and body["messages"][0]["role"] == "user", body
    assert body["messages"][0]["content"].count("\n- ") == 10, body
P

# Again, into another folder: nothing is asked, nothing trained.
before=$(asked)
run again good
names again | diff - named || fail "other names the second time"
[ "$(asked)" = "$before" ] || fail "asked again"
reused again classifier stage1 phase2 names
cmp runs/named/predictions.jsonl runs/again/predictions.jsonl || fail "other predictions the second time"

# One refusal: that task keeps its description, the key that the server repeats does not reach the log.
echo "ok 401" >server/script
run refused picky
names refused >refused
[ "$(sed -n 2p refused)" = "$(sed -n 2p plain)" ] || fail "the refused task has no description as its name"
[ "$(grep -c '^Task name ' refused)" = $((tasks - 1)) ] || fail "the other tasks are not named"
[ "$(cat err)" = "warning: task 1 keeps a description as its name: $url: HTTP status 401: {\"error\": \"no, not with *\"}" ] || { cat err; fail "warning"; }
# The next run asks for that one alone.
before=$(asked)
run refused picky
[ "$(asked)" = $((before + 1)) ] || fail "not one request for the one that failed"
[ "$(names refused | grep -c '^Task name ')" = "$tasks" ] || fail "the failed task is not named by the next run"
(reused refused classifier) >/dev/null 2>&1 && fail "a name changed, but the classifier does not start at it"

# Garbage, a hanging and an empty answer: after three in a row nobody is asked, the run ends all the same.
echo "garbage hang empty" >server/script
before=$(asked)
run broken bad --set llm.retries=0 --set llm.timeout_seconds=2
[ "$(asked)" = $((before + 3)) ] || fail "$(($(asked) - before)) requests, want 3"
names broken | diff - plain || fail "names after failures"
for part in "no choices\[0\]" "timed out\|Timeout" "the answer is empty" "3 failures in a row"; do grep -q "$part" err || { cat err; fail "no warning: $part"; }; done
[ "$(wc -l <err)" = 4 ] || { cat err; fail "want 4 warnings"; }
cmp runs/plain/predictions.jsonl runs/broken/predictions.jsonl || fail "failures change predictions"

# Nobody there.
run nobody x --set llm.retries=1 --set llm.url=http://127.0.0.1:1/
names nobody | diff - plain || fail "names without a server"
grep -q "http://127.0.0.1:1/: .*(tried 2 times)" err || { cat err; fail "no warning"; }

# describe: stops after three failures, goes on, asks once for equal prompts.
python3 - >table.jsonl <<'P'
import json
for i in range(60):
    row = {"id": str(i), "prompt": "Question %d" % (i % 50), "quality": {"a": i % 2, "b": 1}}
    if i == 7:
        row["description"] = "Said already"
    print(json.dumps(row))
P
"$finerouter" import table.jsonl --out bare.h5 --quiet
describe() { "$finerouter" describe bare.h5 --out full.h5 --quiet --set llm.url="$url" --set llm.model=good "$@" 2>err; }
echo "ok ok ok ok ok 400 400 400" >server/script
before=$(asked)
if describe; then fail "describe ends well after three failures"; fi
grep -q "3 failures in a row; the same command continues" err || { cat err; fail "no error"; }
[ ! -e full.h5 ] || fail "a half described file"
printf '{"key": "cut' >>full.h5.answers.jsonl
describe || { cat err; fail "describe"; }
[ "$(asked)" = $((before + 8 + 45)) ] || fail "$(($(asked) - before)) requests, want 53"
"$finerouter" info full.h5 --json | grep '"with_description": 60' >/dev/null || fail "not every prompt is described"
describe
[ "$(asked)" = $((before + 53)) ] || fail "describe asks again"
if "$finerouter" describe bare.h5 --out x.h5 --set llm.url=http://a:b@c/ --set llm.model=m 2>err; then fail "a password in the URL"; fi
grep -q "FINEROUTER_LLM_KEY" err || fail "no word on the key"
if "$finerouter" run tiny.yaml --out runs/x --set llm.url="$url" 2>err; then fail "no model"; fi
grep -q "without llm.model" err || fail "no word on the model"

rm -r server
! grep -rqa "sk-secret" . || fail "the key stands in a file: $(grep -rla sk-secret .)"
echo "test_endpoint: all well ($tasks tasks)"
