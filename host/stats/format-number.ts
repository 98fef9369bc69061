// Numbers as Envoy's text outputs write them.

/** C's %g: six significant digits, an exponent of two digits from 10^6 on. */
export function formatGeneral(value: number): string {
  if (value === 0) return "0";
  const exponent = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(6)))));
  if (exponent >= -4 && exponent < 6) return String(Number(value.toPrecision(6)));
  const [mantissa, power] = value.toExponential(5).split("e");
  const digits = power.slice(1).padStart(2, "0");
  return `${Number(mantissa)}e${power[0]}${digits}`;
}

/** The shortest text that reads back as the same number; "nan" for none. */
export function formatExact(value: number): string {
  return Number.isNaN(value) ? "nan" : String(value);
}
