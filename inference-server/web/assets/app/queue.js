// Pictures on their way: few at once, and whoever is told to come back later does so without being asked.
//
// A job is {file, name, url, state, ...}; its state is one of
//   waiting, uploading, classifying, busy (waits for a countdown), offline, done, failed, cancelled.

const atOnce = 3;
const longestWait = 600;  // seconds that a job lets itself be put off
const mostSilences = 4;   // times that no answer comes, in a row

const queue = {
  waiting: [],
  running: new Set(),
  changed: () => {},  // (job) what the page shows
  settled: () => {},  // (job)
  query: "",
  maxBytes: Infinity,

  add(jobs) {
    for (const job of jobs) {
      job.state = "waiting";
      this.waiting.push(job);
      this.changed(job);
    }
    this.pump();
  },

  pump() {
    while (this.running.size < atOnce && this.waiting.length > 0) {
      const job = this.waiting.shift();
      this.running.add(job);
      this.run(job).finally(() => {
        this.running.delete(job);
        this.settled(job);
        this.pump();
      });
    }
  },

  cancel(job) {
    const place = this.waiting.indexOf(job);
    if (place < 0) return job.control?.abort();
    this.waiting.splice(place, 1);
    this.become(job, "cancelled");
    this.settled(job);
  },

  become(job, state, more = {}) {
    Object.assign(job, {state, ...more});
    this.changed(job);
  },

  fail(job, message, {again = true, id} = {}) {
    this.become(job, "failed", {message, again, requestId: id});
  },

  async run(job) {
    job.control = new AbortController();
    const signal = job.control.signal;
    const refusal = await objection(job.file, this.maxBytes);
    if (refusal) return this.fail(job, refusal, {again: false});
    let silences = 0;
    for (let waited = 0; !signal.aborted; ) {
      if (navigator.onLine === false) {
        await this.untilOnline(job, signal);
        continue;
      }
      this.become(job, "uploading", {progress: 0});
      const reply = await send(job.file, this.query, signal, (share) => this.progressed(job, share));
      if (signal.aborted) break;
      if (reply.status === 200 && reply.body?.results) return this.become(job, "done", {answer: reply.body});
      const silent = reply.status === 0 || reply.status === 502 || reply.status === 504;
      if (silent && navigator.onLine === false) continue;
      if (silent && !(await readable(job.file))) {
        return this.fail(job, "The file cannot be read any more. If it was moved or changed, choose it again.", {again: false});
      }
      silences = silent ? silences + 1 : 0;
      if (!silent && reply.status !== 429 && reply.status !== 503) {
        return this.fail(job, failureInWords(reply, job.file), {id: reply.id});
      }
      if (silences === mostSilences) {
        return this.fail(job, "The server does not answer. Check that it runs and that you are connected, then try again.");
      }
      const seconds = silent ? 2 ** silences : (reply.retryAfter ?? 2);
      if (waited + seconds > longestWait) return this.fail(job, "The server stayed busy. Try again later.", {id: reply.id});
      waited += seconds;
      await this.countDown(job, this.reasonToWait(reply, silent), seconds, signal);
    }
    this.become(job, "cancelled");
  },

  reasonToWait(reply, silent) {
    if (silent) return () => "The server does not answer.";
    if (reply.status === 429) return () => "The server is busy.";
    server.follow();
    return () => `${sentence(server.words())}.`;
  },

  progressed(job, share) {
    if (job.state === "uploading" && share >= 1) return this.become(job, "classifying");
    job.progress = share;
    job.tick?.();
  },

  async untilOnline(job, signal) {
    this.become(job, "offline");
    await new Promise((resolve) => {
      window.addEventListener("online", resolve, {once: true});
      signal.addEventListener("abort", resolve, {once: true});
    });
  },

  async countDown(job, reason, seconds, signal) {
    let hurried = false;
    const hurry = () => {
      hurried = true;
      job.wake?.();
    };
    this.become(job, "busy", {reason, left: seconds, hurry});
    while (job.left > 0 && !signal.aborted && !hurried) {
      job.tick?.();
      await pause(1, signal, (wake) => { job.wake = wake; });
      --job.left;
    }
  },
};
