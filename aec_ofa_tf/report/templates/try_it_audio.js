"use strict";

/** What a reader can do something about; the message is a sentence. */
class Problem extends Error {}

const seconds = (value) => `${Number(value.toFixed(2))} s`;

/** The samples of a recording as mono at a rate, by the browser's own decoder. */
async function decode(file, rate) {
  let decoded;
  try {
    decoded = await new OfflineAudioContext(1, 1, rate).decodeAudioData(await file.arrayBuffer());
  } catch (error) {
    if (error.name === "NotSupportedError") {
      throw new Problem(`This browser cannot resample sound to ${rate} Hz, which the model takes; try another browser.`);
    }
    throw new Problem(`${file.name} cannot be decoded: this browser finds no sound in it that it can read. WAV and MP3 work in all browsers.`);
  }
  const mono = mixed([...Array(decoded.numberOfChannels).keys()].map((channel) => decoded.getChannelData(channel)));
  if (!mono.length) throw new Problem(`${file.name} contains no sound.`);
  if (!mono.every(Number.isFinite)) throw new Problem(`${file.name} contains NaN or infinite samples.`);
  return mono;
}

/** The mean of channels. */
function mixed(channels) {
  if (channels.length === 1) return channels[0];
  const mono = Float32Array.from(channels[0]);
  for (const channel of channels.slice(1)) channel.forEach((sample, index) => { mono[index] += sample; });
  return mono.map((sample) => sample / channels.length);
}

/** Consecutive windows of a clip's length; the last one ends where the sound ends. */
function windowsOf(samples, clip) {
  if (samples.length <= clip) return [{ begin: 0, samples }];
  const begins = [];
  for (let begin = 0; begin + clip <= samples.length; begin += clip) begins.push(begin);
  if (samples.length % clip) begins.push(samples.length - clip);
  return begins.map((begin) => ({ begin, samples: samples.subarray(begin, begin + clip) }));
}

/** A window as the model takes it, by its length policy. */
function fitted(samples, { clip_samples: clip, sample_rate_hz: rate, length_policy: policy }) {
  if (samples.length === clip) return samples;
  if (policy === "crop") {
    throw new Problem(`The recording is shorter than ${seconds(clip / rate)}, which the model takes; choose a longer one.`);
  }
  const fit = new Float32Array(clip);
  for (let at = 0; at < clip; at += samples.length) {
    fit.set(samples.subarray(0, Math.min(samples.length, clip - at)), at);
    if (policy === "pad") break;
  }
  return fit;
}

/** Scores of a recording from those of its windows: their mean where they sum to 1, else the highest. */
function overall(rows, task) {
  return rows[0].map((_, index) => {
    const scores = rows.map((row) => row[index]);
    if (task !== "single_label") return scores.reduce((high, score) => Math.max(high, score));
    return scores.reduce((sum, score) => sum + score, 0) / rows.length;
  });
}

// In a thread of its own, where sound arrives in pieces of 128 samples.
const RECORDER = `registerProcessor("recorder", class extends AudioWorkletProcessor {
  constructor() { super(); this.block = new Float32Array(1024); this.filled = 0; }
  process([channels]) {
    for (let index = 0; channels.length && index < channels[0].length; index++) {
      let sum = 0;
      for (const channel of channels) sum += channel[index];
      this.block[this.filled++] = sum / channels.length;
      if (this.filled === this.block.length) { this.port.postMessage(this.block.slice()); this.filled = 0; }
    }
    return true;
  }
});`;

const UNPROCESSED = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const REFUSALS = {
  NotAllowedError: "The browser did not allow the microphone. Allow it for this page, in most browsers beside the address, and start again.",
  NotFoundError: "There is no microphone. Connect one and start again.",
  NotReadableError: "Another program uses the microphone, or the system does not give it. Close that program and start again.",
};

/** The last samples of the microphone. */
class Microphone {
  /** Asks for the microphone; the model's clip is `clip` samples at `rate`. */
  static async open(rate, clip, onBlock) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Problem("This browser gives the microphone to pages from https or localhost only; serve this page with the command above.");
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: UNPROCESSED });
    } catch (error) {
      throw new Problem(REFUSALS[error.name] || `The microphone cannot be used: ${error.message || error.name}.`);
    }
    const microphone = new Microphone();
    try {
      await microphone.#listen(stream, rate, clip, onBlock);
    } catch (error) {
      microphone.close();
      throw new Problem(`This browser cannot hand the microphone on to the model: ${error.message || error.name}`);
    }
    return microphone;
  }

  async #listen(stream, rate, clip, onBlock) {
    this.stream = stream;
    const source = this.#connect(rate);
    this.rate = rate;
    this.clip = clip;
    this.kept = new Float32Array(Math.ceil(clip * this.context.sampleRate / rate));
    this.heard = 0;
    // The one kind of URL from which pages from disk may load a module.
    await this.context.audioWorklet.addModule(`data:text/javascript,${encodeURIComponent(RECORDER)}`);
    const recorder = new AudioWorkletNode(this.context, "recorder");
    recorder.port.onmessage = ({ data }) => { this.#keep(data); onBlock(data); };
    source.connect(recorder).connect(this.context.destination); // it hands on silence
    await this.context.resume();
  }

  /** The microphone at the model's rate or, where the browser does not resample it, at its own. */
  #connect(rate) {
    try {
      this.context = new AudioContext({ sampleRate: rate });
      return this.context.createMediaStreamSource(this.stream);
    } catch {
      this.context?.close();
      this.context = new AudioContext();
      return this.context.createMediaStreamSource(this.stream);
    }
  }

  #keep(block) {
    const { kept } = this, count = Math.min(block.length, kept.length);
    kept.copyWithin(0, count);
    kept.set(block.subarray(block.length - count), kept.length - count);
    this.heard += block.length;
  }

  /** Seconds since the start. */
  get heardSecs() { return this.heard / this.context.sampleRate; }

  /** Whether a whole clip was heard. */
  get isFull() { return this.heard >= this.kept.length; }

  /** The last clip at the model's rate. */
  async lastClip() {
    const { sampleRate } = this.context;
    if (sampleRate === this.rate) return this.kept.slice();
    const offline = new OfflineAudioContext(1, this.clip, this.rate);
    const node = offline.createBufferSource();
    node.buffer = offline.createBuffer(1, this.kept.length, sampleRate);
    node.buffer.copyToChannel(this.kept, 0);
    node.connect(offline.destination);
    node.start();
    return (await offline.startRendering()).getChannelData(0);
  }

  close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    if (this.context && this.context.state !== "closed") this.context.close();
  }
}
