/** The account, the services and the texts that all views of operators share. */

import type { Api } from '@boxroom/client';
import { createContext, useContext, useMemo, type ReactNode } from 'react';
import type { Language } from '../lib/preferences.js';
import type { Staff } from '../lib/session.js';
import { lookup, useWords, type Lookup, type PlainKey, type Translated } from '../texts/index.js';
import { systemEn } from '../texts/operator-system.en.js';
import { systemKo } from '../texts/operator-system.ko.js';
import { operatorEn } from '../texts/operator.en.js';
import { operatorKo } from '../texts/operator.ko.js';
import { Gateway } from './gateway.js';

const EN = { ...operatorEn, ...systemEn };
const ALL: Record<Language, Translated<typeof EN>> = { en: EN, ko: { ...operatorKo, ...systemKo } };

/** The keys of texts. */
export type OperatorKey = PlainKey<typeof EN>;

/** The keys of texts with a number. */
export type OperatorCount = Exclude<keyof typeof EN, OperatorKey>;

/** Returns the texts of operators in the language of the page. */
export function useTexts(): Lookup<OperatorKey, OperatorCount> {
  const { language } = useWords();
  return useMemo(() => lookup<OperatorKey, OperatorCount>(language, ALL[language]), [language]);
}

interface Services {
  staff: Staff;
  api: Api;
  /** True for operators: moderators may do less. */
  isOperator: boolean;
  /** Null if the installation has no gateway, and for moderators. */
  gateway: Gateway | null;
}

const Context = createContext<Services | undefined>(undefined);

/** Gives the account and the services to the views. */
export function ServicesProvider({
  staff,
  operatorUrl,
  children,
}: {
  staff: Staff;
  operatorUrl: string | null;
  children: ReactNode;
}) {
  const services = useMemo(() => {
    const isOperator = staff.role === 'operator';
    const gateway = isOperator && operatorUrl !== null ? new Gateway(operatorUrl, staff.client) : null;
    return { staff, api: staff.client.api, isOperator, gateway };
  }, [staff, operatorUrl]);
  return <Context.Provider value={services}>{children}</Context.Provider>;
}

/** The account and the services. */
export function useServices(): Services {
  const services = useContext(Context);
  if (!services) throw new Error('there is no ServicesProvider');
  return services;
}

/** The gateway, in views that are shown with it only. */
export function useGateway(): Gateway {
  const { gateway } = useServices();
  if (!gateway) throw new Error('there is no operator-gateway');
  return gateway;
}
