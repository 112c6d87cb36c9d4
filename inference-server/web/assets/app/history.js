// Results of this tab outlive a reload, and nothing else: they end with the tab and are sent nowhere.

const historyKey = "results";
const mostKept = 100;

const tabHistory = {
  entries: [],  // newest first

  load() {
    try {
      const stored = JSON.parse(sessionStorage.getItem(historyKey) ?? "[]");
      this.entries = stored.filter((entry) => entry.answer?.results?.[0]?.predictions?.length > 0);
    } catch {
      this.entries = [];
    }
    return this.entries;
  },

  async add(job) {
    const url = await thumbnail(job.file);
    if (job.removed) return;
    this.entries.unshift({id: job.id, name: job.name, url, answer: job.answer});
    this.save();
  },

  remove(job) {
    this.entries = this.entries.filter((entry) => entry.id !== job.id);
    this.save();
  },

  /** The oldest give way when there are too many, or no room. */
  save() {
    this.entries.length = Math.min(this.entries.length, mostKept);
    for (;;) {
      try {
        sessionStorage.setItem(historyKey, JSON.stringify(this.entries));
        return;
      } catch {
        if (this.entries.length === 0) return;
        this.entries.length = Math.floor(this.entries.length / 2);
      }
    }
  },
};
