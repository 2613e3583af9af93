/** A small map of boxes, drawn without tiles. */

import { useId, useMemo, useState } from 'react';
import { go } from '../lib/router.js';
import { useWords } from '../texts/index.js';
import { IconButton } from '../ui/parts.js';

const WIDTH = 640;
const HEIGHT = 360;
const MARGIN = 36;

interface Pin {
  box_id: string;
  address: string;
  latitude: number;
  longitude: number;
  isUsed: boolean;
  /** The state of the box in words. */
  state: string;
}

/** The map. */
export function BoxMap({ boxes, near }: { boxes: readonly Pin[]; near: string | undefined }) {
  const { t } = useWords();
  const id = useId();
  const [zoom, setZoom] = useState(1);
  const [here, setHere] = useState<string>();
  const view = useMemo(() => project(boxes, near, zoom), [boxes, near, zoom]);
  const pointed = boxes.find(({ box_id }) => box_id === here);
  return (
    <figure className="map">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="group" aria-labelledby={`${id}-title`}>
        <title id={`${id}-title`}>{t('map')}</title>
        <rect className="map-ground" width={WIDTH} height={HEIGHT} />
        {view.lines.map(({ key, x, y }) => (
          <path key={key} className="map-line" d={x === undefined ? `M0 ${y}H${WIDTH}` : `M${x} 0V${HEIGHT}`} />
        ))}
        {view.here && (
          <circle className="map-here" cx={view.here.x} cy={view.here.y} r="9" aria-label={t('map_place')} role="img" />
        )}
        {boxes.map((box) => {
          const { x, y } = view.at(box);
          if (x < 0 || y < 0 || x > WIDTH || y > HEIGHT) return null;
          return (
            <a
              key={box.box_id}
              href={`#/box/${encodeURIComponent(box.box_id)}`}
              className={`map-pin ${box.isUsed ? 'is-used' : 'is-free'}`}
              aria-label={t('map_box', { address: box.address, state: box.state })}
              onMouseEnter={() => setHere(box.box_id)}
              onFocus={() => setHere(box.box_id)}
              onMouseLeave={() => setHere(undefined)}
              onBlur={() => setHere(undefined)}
              onClick={(event) => {
                event.preventDefault();
                go({ name: 'box', box: box.box_id });
              }}
            >
              <circle className="map-target" cx={x} cy={y} r="19" />
              {box.isUsed ? (
                <circle className="map-dot" cx={x} cy={y} r="9" />
              ) : (
                <rect className="map-dot" x={x - 8} y={y - 8} width="16" height="16" rx="3" />
              )}
            </a>
          );
        })}
      </svg>
      <div className="map-zoom">
        <IconButton icon="plus" label={t('zoom_in')} disabled={zoom >= 8} onClick={() => setZoom(zoom * 2)} />
        <IconButton icon="minus" label={t('zoom_out')} disabled={zoom <= 1} onClick={() => setZoom(zoom / 2)} />
      </div>
      <figcaption>
        <span className="legend is-free">{t('legend_free')}</span>
        <span className="legend is-used">{t('legend_used')}</span>
        <span className="map-pointed">
          {pointed ? t('map_box', { address: pointed.address, state: pointed.state }) : ''}
        </span>
      </figcaption>
    </figure>
  );
}

/** Places coordinates in the picture: a degree of longitude is shorter than one of latitude. */
function project(boxes: readonly Pin[], near: string | undefined, zoom: number) {
  const [nearLatitude, nearLongitude] = (near ?? '').split(',').map(Number);
  const hasPlace = near !== undefined && Number.isFinite(nearLatitude) && Number.isFinite(nearLongitude);
  const place = hasPlace ? [{ latitude: nearLatitude as number, longitude: nearLongitude as number }] : [];
  const all = [...boxes.slice(0, hasPlace ? 20 : boxes.length), ...place];
  const latitudes = all.map(({ latitude }) => latitude);
  const longitudes = all.map(({ longitude }) => longitude);
  const middle = {
    latitude: hasPlace ? (nearLatitude as number) : (Math.min(...latitudes) + Math.max(...latitudes)) / 2,
    longitude: hasPlace ? (nearLongitude as number) : (Math.min(...longitudes) + Math.max(...longitudes)) / 2,
  };
  const shrink = Math.cos((middle.latitude * Math.PI) / 180);
  const reach = (values: number[], centre: number) =>
    Math.max(...values.map((value) => Math.abs(value - centre)), 0.0005);
  const scale =
    zoom *
    Math.min(
      (WIDTH / 2 - MARGIN) / (reach(longitudes, middle.longitude) * shrink),
      (HEIGHT / 2 - MARGIN) / reach(latitudes, middle.latitude),
    );
  const at = ({ latitude, longitude }: { latitude: number; longitude: number }) => ({
    x: Math.round(WIDTH / 2 + (longitude - middle.longitude) * shrink * scale),
    y: Math.round(HEIGHT / 2 - (latitude - middle.latitude) * scale),
  });
  const step = 80;
  const lines = [
    ...Array.from({ length: Math.ceil(WIDTH / step) }, (_, index) => ({
      key: `x${index}`,
      x: index * step,
      y: undefined,
    })),
    ...Array.from({ length: Math.ceil(HEIGHT / step) }, (_, index) => ({
      key: `y${index}`,
      x: undefined,
      y: index * step,
    })),
  ];
  return { at, lines, here: place[0] ? at(place[0]) : undefined };
}
