"""Words to sing: themes that genres lean to, moods that scales lean to, in five languages and three scripts.

Lyrics carry the genre by construction, in part: most of a song's words come from its genre's themes, some from any.
"""

from collections.abc import Sequence

import numpy as np

WORDS: dict[str, dict[str, str]] = {
    "sea": {
        "en": "wave tide salt harbour sail shore deep drifting",
        "es": "ola marea sal puerto vela orilla hondo flotando",
        "de": "Welle Flut Salz Hafen Segel Ufer tief treibend",
        "ru": "волна прилив соль гавань парус берег глубоко плыву",
        "ja": "波 潮 塩 港 帆 岸 深い 漂う",
    },
    "night": {
        "en": "moon star dark sleep shadow dream candle silent",
        "es": "luna estrella oscuro dormir sombra sueño vela silencio",
        "de": "Mond Stern dunkel Schlaf Schatten Traum Kerze still",
        "ru": "луна звезда темно сон тень мечта свеча тишина",
        "ja": "月 星 暗い 眠り 影 夢 灯 静か",
    },
    "dance": {
        "en": "floor move body jump heat party tonight spin",
        "es": "pista mueve cuerpo salta calor fiesta baila gira",
        "de": "Tanz beweg Körper spring Hitze Feier heute dreh",
        "ru": "танец двигай тело прыгай жара праздник сегодня кружись",
        "ja": "踊る 動け 体 跳べ 熱 祭り 今夜 回れ",
    },
    "machine": {
        "en": "wire signal circuit steel static engine pulse code",
        "es": "cable señal circuito acero ruido motor pulso código",
        "de": "Draht Signal Schaltung Stahl Rauschen Motor Puls Code",
        "ru": "провод сигнал схема сталь помеха мотор импульс код",
        "ja": "電線 信号 回路 鋼 雑音 機械 鼓動 符号",
    },
    "city": {
        "en": "street neon subway tower corner crowd window concrete",
        "es": "calle neón metro torre esquina gente ventana cemento",
        "de": "Straße Neon Bahn Turm Ecke Menge Fenster Beton",
        "ru": "улица неон метро башня угол толпа окно бетон",
        "ja": "街 ネオン 地下鉄 塔 角 群れ 窓 壁",
    },
    "road": {
        "en": "dust mile wheel mountain freedom walking stone home",
        "es": "polvo legua rueda montaña libertad camino piedra hogar",
        "de": "Staub Meile Rad Berg Freiheit wandern Stein Heimat",
        "ru": "пыль верста колесо гора свобода иду камень дом",
        "ja": "塵 里 車輪 山 自由 歩く 石 家",
    },
    "love": {
        "en": "heart kiss darling hold tender yours forever sweet",
        "es": "corazón beso querida abrazo tierno tuyo siempre dulce",
        "de": "Herz Kuss Liebling halten zärtlich dein ewig süß",
        "ru": "сердце поцелуй милая обними нежно твой навсегда сладко",
        "ja": "心 口づけ 愛しい 抱く 優しい 君 永遠 甘い",
    },
    "rain": {
        "en": "cloud drop grey umbrella puddle thunder falling autumn",
        "es": "nube gota gris paraguas charco trueno cae otoño",
        "de": "Wolke Tropfen grau Schirm Pfütze Donner fallend Herbst",
        "ru": "туча капля серый зонт лужа гром падает осень",
        "ja": "雲 雫 灰色 傘 水たまり 雷 降る 秋",
    },
}
MOOD_WORDS = {
    "major": {
        "en": "sun smile light",
        "es": "sol risa luz",
        "de": "Sonne Lachen Licht",
        "ru": "солнце улыбка свет",
        "ja": "太陽 笑顔 光",
    },
    "minor": {
        "en": "tear alone lost",
        "es": "lágrima solo perdido",
        "de": "Träne allein verloren",
        "ru": "слеза один потерян",
        "ja": "涙 独り 失う",
    },
}
LINK_WORDS = {
    "en": "the and in my of your",
    "es": "la y en mi de tu",
    "de": "und in mein der von dein",
    "ru": "и в мой на твой где",
    "ja": "の と に が は も",
}
OWN_THEME_SHARE, MOOD_SHARE, LINK_SHARE = 0.45, 0.1, 0.3  # the rest comes from any theme


def write_lyrics(themes: Sequence[str], minor: bool, language: str, lines: int, rng: np.random.Generator) -> list[str]:
    """Lines of four to seven words about `themes`; minor keys sing sadly."""
    return [" ".join(_word(themes, minor, language, rng) for _ in range(rng.integers(4, 8))) for _ in range(lines)]


def _word(themes: Sequence[str], minor: bool, language: str, rng: np.random.Generator) -> str:
    share = rng.random()
    if share < LINK_SHARE:
        words = LINK_WORDS[language]
    elif share < LINK_SHARE + MOOD_SHARE:
        words = MOOD_WORDS["minor" if minor else "major"][language]
    else:
        own = share < LINK_SHARE + MOOD_SHARE + OWN_THEME_SHARE
        words = WORDS[str(rng.choice(list(themes) if own else list(WORDS)))][language]
    return str(rng.choice(words.split()))


def timed(lines: Sequence[str], seconds: float) -> str:
    """The lines as an .lrc file that spreads them over `seconds`."""
    stamps = [seconds * (number + 0.5) / len(lines) for number in range(len(lines))]
    return "".join(f"[{int(at // 60):02d}:{at % 60:05.2f}]{line}\n" for at, line in zip(stamps, lines, strict=True))
