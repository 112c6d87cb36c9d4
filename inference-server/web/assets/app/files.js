// From what people give to files: kinds that cannot be read are told before they are sent.

const mostFiles = 1000;

const startsWith = (bytes, ...signature) => signature.every((byte, index) => bytes[index] === byte);
const textAt = (bytes, begin, end) => String.fromCharCode(...bytes.slice(begin, end));

const foreignKinds = [
  [(bytes) => textAt(bytes, 0, 5) === "%PDF-",
   "This is a PDF, not a picture. Export its page as PNG or JPEG, or take a screenshot of it."],
  [(bytes) => textAt(bytes, 4, 8) === "ftyp" && /^(hei|hev|mif1|msf1)/.test(textAt(bytes, 8, 12)),
   "This is a HEIC photo, which only few programs read. Save it as JPEG; an iPhone takes JPEG photos when Settings, " +
   "Camera, Formats is \"Most Compatible\"."],
  [(bytes) => textAt(bytes, 4, 8) === "ftyp" && /^avi[fs]/.test(textAt(bytes, 8, 12)),
   "This is an AVIF picture, which is not read here. Save it as JPEG, PNG or WebP."],
  [(bytes) => textAt(bytes, 4, 8) === "ftyp" || startsWith(bytes, 0x1a, 0x45, 0xdf, 0xa3),
   "This is a video. Take a still picture of it."],
  [(bytes) => startsWith(bytes, 0x49, 0x49, 0x2a, 0) || startsWith(bytes, 0x4d, 0x4d, 0, 0x2a),
   "This is a TIFF picture or a camera's raw file, which is not read here. Save it as JPEG or PNG."],
  [(bytes) => /^\s*(<\?xml|<svg|<!doctype svg)/i.test(textAt(bytes, 0, 64)),
   "This is an SVG drawing, which is not read here. Export it as PNG."],
  [(bytes) => startsWith(bytes, 0x50, 0x4b, 3, 4), "This is an archive or a document, not a picture. Take the pictures out of it first."],
];

/** Why a file cannot be classified, in words with what to do; nothing when it can be tried. */
async function objection(file, maxBytes) {
  if (file.size === 0) return "This file is empty. Choose another one.";
  if (file.size > maxBytes) {
    const inWords = size(file.size) === size(maxBytes) ? (bytes) => plural(bytes, "byte") : size;
    return `Too large: ${inWords(file.size)}, the limit is ${inWords(maxBytes)}. Make it smaller, for example by saving it as JPEG.`;
  }
  let bytes;
  try {
    bytes = new Uint8Array(await file.slice(0, 64).arrayBuffer());
  } catch {
    return "This file cannot be read. If it was moved or changed, choose it again.";
  }
  return foreignKinds.find(([matches]) => matches(bytes))?.[1];
}

async function readable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

async function filesBelow(entry, files) {
  if (files.length >= mostFiles) return;
  if (entry.isFile) {
    files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    return;
  }
  const reader = entry.createReader();
  for (;;) {  // a call gives some of the entries, the last one none
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return;
    for (const inner of entries) await filesBelow(inner, files);
  }
}

/** All files of a drop, those in folders too. Must be called while the drop is handled. */
async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...transfer.files];
  if (!entries.some((entry) => entry.isDirectory)) return plain;
  const files = [];
  try {
    for (const entry of entries) await filesBelow(entry, files);
  } catch {
    announce("Some of the folder could not be read.");
  }
  return files.filter((file) => !file.name.startsWith("."));  // what systems hide in folders
}

/** A small picture for the history: upright, at most 160 pixels a side. */
async function thumbnail(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, 160 / Math.max(bitmap.width, bitmap.height));
    const canvas = element("canvas");
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return canvas.toDataURL("image/jpeg", 0.7);
  } catch {
    return "";
  }
}
