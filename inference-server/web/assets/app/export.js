// Results for other programs: a command line, a table.

/** As one word of a POSIX shell. What would drive a terminal is replaced; it could not be typed back anyway. */
function quoted(text) {
  const harmless = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
  return `'${harmless.replaceAll("'", "'\\''")}'`;
}

function curlCommand(name) {
  const address = new URL("v1/classify", document.baseURI).href;
  const scheme = byId("upload").dataset.signedIn;
  const access = {basic: "-u USER ", bearer: "-H \"Authorization: Bearer $TOKEN\" "}[scheme] ?? "";
  return `curl ${access}--data-binary ${quoted(`@${name}`)} ${quoted(address)}`;
}

/** RFC 4180; a cell that a spreadsheet would take for a formula gets an apostrophe in front. */
function cell(value) {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll("\"", "\"\"")}"` : text;
}

function table(jobs) {
  const rows = [["file", "rank", "label", "index", "wnid", "probability", "probability_raw", "sure", "error", "model", "precision",
                 "weights_sha256"]];
  for (const job of jobs) {
    if (job.state === "failed") rows.push([job.name, "", "", "", "", "", "", "", job.message, "", "", ""]);
    if (job.state !== "done") continue;
    const {predictions, certainty} = resultOf(job);
    const {name, precision, weights_sha256: digest} = job.answer.model;
    predictions.forEach((prediction, place) => rows.push(
      [job.name, place + 1, prediction.label, prediction.index, prediction.wnid, prediction.probability,
       prediction.probability_raw, certainty.sure, "", name, precision, digest]));
  }
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function saveTable(jobs) {
  // With a byte order mark spreadsheets take it for UTF-8.
  const url = URL.createObjectURL(new Blob(["\ufeff", table(jobs)], {type: "text/csv;charset=utf-8"}));
  const link = element("a", {href: url, download: "classified.csv"});
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
