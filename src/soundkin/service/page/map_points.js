// The dots of the map, drawn with WebGL 2: one call for most, and one for those that stand out.

export const COARSEST = 4; // halvings of the number of dots, for devices that are slow

const VERTEX = `#version 300 es
in vec2 place;
in vec4 colour;
uniform vec2 middle, scale;
uniform float diameter;
out vec4 fill;
void main() {
  gl_Position = vec4((place - middle) * scale, 0, 1);
  gl_PointSize = diameter;
  fill = vec4(colour.rgb * colour.a, colour.a);
}`;
const FRAGMENT = `#version 300 es
precision highp float;
in vec4 fill;
uniform float diameter;
out vec4 seen;
void main() {
  float fromEdge = diameter * (0.5 - length(gl_PointCoord - 0.5));
  seen = fill * clamp(fromEdge, 0.0, 1.0);
}`;

export class NoWebglError extends Error {}

export class Points {
  /** Raises NoWebglError where there is no WebGL 2. */
  constructor(canvas) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", { antialias: false });
    if (!this.gl) throw new NoWebglError();
    this.build();
  }

  /** Anew, as after the context was lost; then come `place` and `paint`. */
  build() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, text] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.bindAttribLocation(program, 0, "place");
    gl.bindAttribLocation(program, 1, "colour");
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`the map cannot be drawn on this device: ${gl.getProgramInfoLog(program)}`);
    }
    gl.useProgram(program);
    this.uniforms = Object.fromEntries(
      ["middle", "scale", "diameter"].map((name) => [name, gl.getUniformLocation(program, name)]),
    );
    [this.placeBuffer, this.colourBuffer, this.orderBuffer] = [0, 1, 2].map(() => gl.createBuffer());
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.levels = [{ first: 0, count: 0 }]; // all dots, every second, every fourth ...
    this.marked = { first: 0, count: 0 };
  }

  place({ x, y, count }) {
    const pairs = new Float32Array(2 * count);
    for (let number = 0; number < count; number += 1) {
      pairs[2 * number] = x[number];
      pairs[2 * number + 1] = y[number];
    }
    this.attribute(0, this.placeBuffer, pairs, 2, this.gl.FLOAT, false);
  }

  /** `colours` are four bytes a dot. Numbers in `plain` are drawn in that order, then `marked`, larger. */
  paint(colours, plain, marked) {
    const { gl } = this;
    this.attribute(1, this.colourBuffer, colours, 4, gl.UNSIGNED_BYTE, true);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.orderBuffer);
    const parts = [
      ...Array.from({ length: COARSEST + 1 }, (_, level) =>
        plain.filter((number, at) => at % 2 ** level === 0),
      ),
      marked,
    ];
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, Uint32Array.from(parts.flat()), gl.STATIC_DRAW);
    let first = 0;
    this.levels = parts.map(({ length: count }) => {
      first += count;
      return { first: first - count, count };
    });
    this.marked = this.levels.pop();
  }

  attribute(which, buffer, values, size, kind, normalised) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(which);
    gl.vertexAttribPointer(which, size, kind, normalised, 0, 0);
  }

  /** `diameter` is in CSS pixels, each `density` pixels wide; each `level` draws half as many dots. */
  draw(camera, diameter, density, level) {
    const { gl, canvas, uniforms } = this;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(uniforms.middle, camera.x, camera.y);
    gl.uniform2f(uniforms.scale, (2 * camera.scale) / camera.width, (2 * camera.scale) / camera.height);
    const dots = ({ first, count }, size) => {
      gl.uniform1f(uniforms.diameter, size * density);
      gl.drawElements(gl.POINTS, count, gl.UNSIGNED_INT, 4 * first);
    };
    dots(this.levels[Math.min(level, this.levels.length - 1)], diameter);
    dots(this.marked, 1.3 * diameter + 2);
  }
}
