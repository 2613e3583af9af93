/** The stores among which the host of a room chooses. */

import { useBoxroom } from '@boxroom/react';
import { useLoad } from '../lib/hooks.js';

/** The open stores of a postal code, or all open ones if it has none. */
export function useStores(zipCode: string | undefined) {
  const client = useBoxroom();
  return useLoad(`stores ${zipCode}`, async () => {
    if (zipCode === undefined) return undefined;
    const here = await client.api.listStores({ zip_code: zipCode, limit: 100 });
    const items = here.items.length > 0 ? here.items : (await client.api.listStores({ limit: 100 })).items;
    return items.filter(({ open, retired }) => open && !retired);
  });
}

/** The name of a store in a choice. */
export function storeLabel({ name, category }: { name: string; category?: string }): string {
  return category ? `${name} (${category})` : name;
}
