"""Drawn scores for the tests of ablations."""

HEADER = "split,image,group,class,dice,true_pixels,predicted_pixels,intersection"


def images_table(validation: list[float], held_out: list[float] | None = None) -> list[str]:
    """The lines of a metrics/images.csv: one class, 10 true and 10 predicted pixels per image, `hits` of them in both.

    Without `held_out`, the line of that split cannot be read as scores.
    """
    lines = [HEADER]
    for split, hits in (("held_out", held_out), ("validation", validation)):
        if hits is None:
            lines.append(f"{split},x.jpg,nonsense,pit,nonsense,nonsense,nonsense,nonsense")
        else:
            lines += [f"{split},{n}.jpg,{n},pit,{2 * hit / 20},10,10,{int(hit)}" for n, hit in enumerate(hits)]
    return lines
