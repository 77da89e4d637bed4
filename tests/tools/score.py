#!/usr/bin/env python3
"""How well speech came through: score.py [--skip SECONDS] REFERENCE.wav HEARD.wav...

Prints one JSON object a file heard: lag_ms, snr_db, stoi (0 to 1), pesq_nb (8 or 16 kHz) and pesq_wb (16 kHz).
Mono 16-bit WAV, all of one rate; 48 kHz files are brought to 16 kHz. With --skip the reference's first SECONDS are not
judged.
"""

import json
import sys
import wave

import numpy as np
from pesq import pesq
from pystoi import stoi


def load(path):
    with wave.open(path) as file:
        rate, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
        raw = file.readframes(file.getnframes())
    if width != 2:
        sys.exit(f"{path}: 16-bit samples are needed")
    sound = np.frombuffer(raw, "<i2").reshape(-1, channels).mean(axis=1) / 32768.0
    if rate == 48000:
        return 16000, third(sound)
    return rate, sound


def third(sound):
    """48 kHz to 16 kHz, low-passed at 7.6 kHz."""
    at = np.arange(-120, 121)
    cutoff = 2 * 7600 / 48000
    kernel = cutoff * np.sinc(cutoff * at) * np.kaiser(at.size, 9.0)
    return np.convolve(sound, kernel, mode="same")[::3]


def delay(reference, heard):
    """The shift, in samples, at which the two are most alike."""
    size = 1 << int(np.ceil(np.log2(reference.size + heard.size)))
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(reference, size))
    shift = int(np.argmax(np.abs(np.fft.irfft(spectrum, size))))
    return shift - size if shift > size // 2 else shift


def overlap(reference, heard):
    lag = delay(reference, heard)
    reference, heard = reference[max(0, -lag) :], heard[max(0, lag) :]
    both = min(reference.size, heard.size)
    return lag, reference[:both], heard[:both]


def score(rate, reference, heard, skip=0.0):
    lag, reference, heard = overlap(reference, heard)
    # What is skipped counts from the reference's beginning, which may have been cut off.
    start = max(0, int(skip * rate) + min(0, lag))
    reference, heard = reference[start:], heard[start:]
    if heard.size < rate or not np.any(heard):
        return {"lag_ms": 1000.0 * lag / rate, "snr_db": None, "stoi": 0.0, "pesq_nb": 1.0, "pesq_wb": 1.0}
    gain = np.dot(reference, heard) / np.dot(heard, heard)
    noise = np.sum((reference - gain * heard) ** 2) or 1e-12
    result = {
        "lag_ms": round(1000.0 * lag / rate, 1),
        "snr_db": round(10 * np.log10(np.sum(reference**2) / noise), 1),
        "stoi": round(float(stoi(reference, heard, rate)), 3),
    }
    if rate in (8000, 16000):
        result["pesq_nb"] = round(pesq(rate, reference, heard, "nb"), 2)
    if rate == 16000:
        result["pesq_wb"] = round(pesq(rate, reference, heard, "wb"), 2)
    return result


def main():
    words, skip = sys.argv[1:], 0.0
    if words[:1] == ["--skip"]:
        skip, words = float(words[1]), words[2:]
    if len(words) < 2:
        sys.exit(__doc__)
    rate, reference = load(words[0])
    for path in words[1:]:
        other, heard = load(path)
        if other != rate:
            sys.exit(f"{path}: {other} Hz, the reference has {rate} Hz")
        print(json.dumps({"file": path, **score(rate, reference, heard, skip)}))


if __name__ == "__main__":
    main()
