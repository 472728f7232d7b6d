// Numbers that look random and are the same each time (mulberry32).
export function random (seed) {
  const below = n => {
    let t = (seed += 0x6d2b79f5)
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
  return { below, one: list => list[below(list.length)], chance: percent => below(100) < percent }
}
