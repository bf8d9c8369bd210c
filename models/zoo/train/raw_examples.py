"""Makes the raw examples of the two models that come from packages: a line of text and a spoken sentence.

Needs espeak-ng on the PATH and the path of a TrueType font; the committed files were made with Liberation Serif 1.07.4
and espeak-ng 1.51:

    VENV/bin/python raw_examples.py /path/to/LiberationSerif-Regular.ttf
"""

import io
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.signal import resample_poly

ZOO = Path(__file__).resolve().parent.parent
LINE = "Every answer carries a receipt that anyone can check."
SENTENCE = "The receipt is valid."


def render_line(font_path):
    font = ImageFont.truetype(font_path, 33)
    width = int(font.getlength(LINE)) + 10
    image = Image.new("L", (width, 48), 255)
    ImageDraw.Draw(image).text((5, 3), LINE, font=font, fill=0)
    (ZOO / "ocr" / "example.pgm").write_bytes(b"P5\n%d 48\n255\n" % width + image.tobytes())


def speak():
    command = ["espeak-ng", "-v", "en-us", "-s", "150", "--stdout", SENTENCE]
    spoken = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout
    # the header of a streamed WAV has no true length: take the samples behind it
    with wave.open(io.BytesIO(spoken)) as source:
        assert source.getframerate() == 22050 and source.getsampwidth() == 2 and source.getnchannels() == 1
    samples = np.frombuffer(spoken[44 : 44 + (len(spoken) - 44) // 2 * 2], "<i2").astype(float)
    narrow = np.clip(np.round(resample_poly(samples, 320, 441)), -32768, 32767).astype("<i2")
    with wave.open(str(ZOO / "vad" / "example.wav"), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(16000)
        target.writeframes(narrow.tobytes())


if __name__ == "__main__":
    render_line(sys.argv[1])
    speak()
