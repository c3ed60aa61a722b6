// The dots of the map, drawn with WebGL 2: one call for all, and one more for those that stand out.

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
precision mediump float;
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
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.bindAttribLocation(program, 0, "place");
    gl.bindAttribLocation(program, 1, "colour");
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new NoWebglError(gl.getProgramInfoLog(program));
    }
    gl.useProgram(program);
    this.uniforms = Object.fromEntries(
      ["middle", "scale", "diameter"].map((name) => [name, gl.getUniformLocation(program, name)]),
    );
    [this.placeBuffer, this.colourBuffer, this.markedBuffer] = [0, 1, 2].map(() => gl.createBuffer());
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.count = this.marked = 0;
  }

  place({ x, y, count }) {
    const pairs = new Float32Array(2 * count);
    for (let number = 0; number < count; number += 1) {
      pairs[2 * number] = x[number];
      pairs[2 * number + 1] = y[number];
    }
    this.attribute(0, this.placeBuffer, pairs, 2, this.gl.FLOAT, false);
    this.count = count;
  }

  /** `colours` are four bytes a dot; dots of the numbers `marked` are drawn last and larger. */
  paint(colours, marked) {
    const { gl } = this;
    this.attribute(1, this.colourBuffer, colours, 4, gl.UNSIGNED_BYTE, true);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.markedBuffer);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, Uint32Array.from(marked), gl.STATIC_DRAW);
    this.marked = marked.length;
  }

  attribute(which, buffer, values, size, kind, normalised) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(which);
    gl.vertexAttribPointer(which, size, kind, normalised, 0, 0);
  }

  /** `diameter` is in CSS pixels, of which each is `density` pixels wide. */
  draw(camera, diameter, density) {
    const { gl, canvas, uniforms } = this;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(uniforms.middle, camera.x, camera.y);
    gl.uniform2f(uniforms.scale, (2 * camera.scale) / camera.width, (2 * camera.scale) / camera.height);
    gl.uniform1f(uniforms.diameter, diameter * density);
    gl.drawArrays(gl.POINTS, 0, this.count);
    gl.uniform1f(uniforms.diameter, (1.3 * diameter + 2) * density);
    gl.drawElements(gl.POINTS, this.marked, gl.UNSIGNED_INT, 0);
  }
}
